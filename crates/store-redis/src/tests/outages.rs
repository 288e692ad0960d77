//! Redis is gone, silent, set up badly, or does not let us in.

use std::time::{Duration, Instant};

use store::conformance::{NOW, append, claim, finish, id, spec, submit, submit_and_claim};
use store::{CommitError, EncodedEvent, LeaseState, Store, StoreError};
use tokio::time::timeout;

use super::server::Server;
use super::{PATIENCE, becomes, changes, open_as, settings, text};
use crate::{OpenError, RedisSettings, RedisStore};

const PREFIX: &str = "{ccs}:";

/// Does something until Redis is back; tells how often it was not.
async fn until_available<T>(mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let tried = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                // The attempt itself has waited for a connection.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, tried).await.expect("in time")
}

#[tokio::test]
async fn a_crash_of_redis_loses_nothing_that_was_answered() {
    let mut server = Server::start("always");
    let (one, two) = (open_as(&server, PREFIX, "one").await, open_as(&server, PREFIX, "two").await);
    let claimed = submit_and_claim(&one, "t").await;
    let mut signal = two.watch(&id("t")).await.expect("available").expect("there");
    let mut seq = 0;
    for _ in 0..3 {
        let (progress, mut answered) = tokio::sync::watch::channel(0);
        let appending = async {
            loop {
                match one.append(append(&claimed, seq + 1..=seq + 1)).await {
                    Ok(()) => seq += 1,
                    Err(error) => return error,
                }
                progress.send_modify(|answered| *answered += 1);
            }
        };
        let killing = async {
            becomes(&mut answered, |answered| *answered >= 50).await;
            server.kill();
        };
        let (error, ()) = tokio::join!(appending, killing);
        assert!(matches!(error, CommitError::Store(_)), "{error:?}");
        server.start_again();
        // Whether the last one was carried out is not known: the log says it.
        let kept = until_available(async || one.task(&id("t")).await).await.expect("there").tail;
        assert!(kept == seq || kept == seq + 1, "{seq} were answered and {kept} are there");
        seq = kept + 1;
        let repeated = one.append(append(&claimed, seq..=seq)).await;
        assert_eq!(repeated, Ok(()), "the lease holds");
        becomes(&mut signal, |signal| signal.tail == seq).await;
    }
    finish(&one, &claimed, seq + 1).await;
    becomes(&mut signal, |signal| signal.ended).await;
    assert_eq!(super::read_all(&two, "t").await, super::encoded(1..=seq + 1));
}

#[tokio::test]
async fn without_redis_commands_fail_soon_and_say_why_and_wake_ups_come_back() {
    let mut server = Server::start("always");
    let store = open_as(&server, PREFIX, "one").await;
    store.submit(submit(spec("a"))).await.expect("admitted");
    server.kill();
    for _ in 0..3 {
        let begun = Instant::now();
        let error = store.counts(NOW).await.expect_err("it is gone");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert!(error.0.contains("redis at ") && error.0.contains("redis.sock"), "{error}");
        assert!(error.0.contains("check that it runs"), "{error}");
    }
    server.start_again();
    let other = open_as(&server, PREFIX, "two").await;
    let mut queue = store.watch_queue();
    until_available(async || store.counts(NOW).await).await;
    other.submit(submit(spec("b"))).await.expect("admitted");
    let claimed = claim(&store, NOW).await;
    assert_eq!(claimed.task.spec.task_id, id("a"));
    let mut heard = store.watch(&id("a")).await.expect("available").expect("there");
    other.request_interrupt(&id("a"), NOW).await.expect("recorded");
    becomes(&mut heard, |signal| signal.interrupt_requested).await;
    changes(&mut queue).await;
}

#[tokio::test]
async fn a_silent_redis_holds_nobody_up() {
    let server = Server::start("no");
    let settings = RedisSettings { timeout: Duration::from_millis(300), ..settings(&server, PREFIX, "one") };
    let store = RedisStore::open(settings).await.expect("opens");
    server.signal("STOP");
    let begun = Instant::now();
    let error = store.submit(submit(spec("a"))).await.expect_err("it is silent");
    let took = begun.elapsed();
    server.signal("CONT");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(error.to_string().contains("did not answer within 300ms"), "{error}");
    until_available(async || store.counts(NOW).await).await;
    // It may have come through, or not: whoever asks again gets the same task.
    store.submit(submit(spec("a"))).await.expect("admitted");
    assert_eq!(store.open_tasks().await, Ok(vec![id("a")]));
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_is_lost_before_others_may_take_it() {
    let mut server = Server::start("always");
    let short = RedisSettings {
        lease: Duration::from_millis(1_000),
        heartbeat: Duration::from_millis(200),
        ..settings(&server, PREFIX, "one")
    };
    let store = RedisStore::open(short).await.expect("opens");
    submit_and_claim(&store, "t").await;
    server.kill();
    becomes(&mut store.lease().expect("shared"), |state| *state == LeaseState::Lost).await;
    assert!(store.rejoin().await.is_err(), "there is nobody to join");
    server.start_again();
    until_available(async || store.rejoin().await).await;
    let taken = store.take_over(NOW).await.expect("available");
    assert_eq!(taken.iter().map(|taken| taken.task.spec.task_id.clone()).collect::<Vec<_>>(), [id("t")]);
}

#[tokio::test]
async fn an_opening_without_redis_says_so() {
    let mut server = Server::start("no");
    server.kill();
    let error = RedisStore::open(settings(&server, PREFIX, "one")).await.expect_err("it is gone");
    assert!(
        matches!(&error, OpenError::Unavailable(error) if error.0.contains("cannot be reached")),
        "{error}"
    );
    let wrong = RedisSettings { url: Some("http://secret@there".into()), ..RedisSettings::default() };
    let error = RedisStore::open(wrong).await.expect_err("no such scheme");
    assert_eq!(error, OpenError::Url);
    let untagged = RedisSettings { prefix: "ccs:".into(), ..RedisSettings::default() };
    assert_eq!(RedisStore::open(untagged).await.expect_err("no tag"), OpenError::Prefix("ccs:".into()));
    let named = settings(&server, PREFIX, "a b");
    assert_eq!(RedisStore::open(named).await.expect_err("a space"), OpenError::Name("a b".into()));
    let (lease, heartbeat) = (Duration::from_secs(2), Duration::from_secs(1));
    let slow = RedisSettings { lease, heartbeat, ..RedisSettings::default() };
    assert_eq!(RedisStore::open(slow).await.expect_err("too slow"), OpenError::Lease { lease, heartbeat });
}

#[tokio::test]
async fn who_speaks_no_tls_is_not_spoken_to() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let deaf = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
        }
    });
    let settings = RedisSettings { host: "127.0.0.1".into(), port, tls: true, ..RedisSettings::default() };
    let error = RedisStore::open(settings).await.expect_err("no handshake");
    assert!(error.to_string().contains(&format!("redis at 127.0.0.1:{port} ")), "{error}");
    deaf.abort();
}

#[tokio::test]
async fn what_another_version_has_written_is_left_alone() {
    let server = Server::start("no");
    server.run(&["HSET", "{ccs}:meta", "version", "9"]);
    let error = RedisStore::open(settings(&server, PREFIX, "one")).await.expect_err("another version");
    assert_eq!(error, OpenError::Version { prefix: PREFIX.into(), found: "9".into(), ours: "1" });
}

#[tokio::test]
async fn who_may_not_read_the_configuration_is_told_and_secrets_are_told_to_nobody() {
    let server = Server::start("everysec");
    let store = open_as(&server, PREFIX, "one").await;
    assert_eq!(store.warnings().await, Ok(vec![]));
    let rules = ["ACL", "SETUSER", "ccs", "on", ">hush-hush", "~{ccs}:*", "&{ccs}:*", "+@all", "-@admin"];
    server.run(&rules);
    let path = server.url().replace("redis+unix://", "");
    let url = |password: &str| format!("redis+unix://{path}?user=ccs&pass={password}");
    let limited = RedisSettings { url: Some(url("hush-hush").into()), ..settings(&server, PREFIX, "two") };
    let store = RedisStore::open(limited.clone()).await.expect("opens");
    let warnings = store.warnings().await.expect("available");
    assert!(
        matches!(warnings.as_slice(), [one] if one.contains("does not let this server read")),
        "{warnings:?}"
    );
    let claimed = submit_and_claim(&store, "t").await;
    finish(&store, &claimed, 1).await;
    assert_eq!(
        store.read(&id("t"), 0).await.expect("available").expect("there").events,
        [EncodedEvent { seq: 1, json: text(1).into() }]
    );
    let wrong = RedisSettings { url: Some(url("hush-else").into()), ..limited.clone() };
    let error = RedisStore::open(wrong.clone()).await.expect_err("a wrong password");
    assert!(error.to_string().contains("access"), "{error}");
    let told = format!("{limited:?} {wrong:?} {store:?} {error} {error:?}");
    assert!(!told.contains("hush"), "{told}");
}

#[tokio::test]
async fn a_redis_without_memory_is_found_out_although_it_answers() {
    let server = Server::start("no");
    let store = open_as(&server, PREFIX, "one").await;
    assert_eq!(store.probe().await, Ok(()));
    server.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"]);
    let refused = store.probe().await.expect_err("no memory");
    assert!(refused.0.contains("OOM"), "{refused}");
    assert!(store.submit(submit(spec("t"))).await.is_err());
    server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(store.probe().await, Ok(()));
    let redis::Value::Int(left) = server.run(&["PTTL", "{ccs}:probe"]) else { unreachable!("a number") };
    assert!((1..=60_000).contains(&left), "{left} ms");
}

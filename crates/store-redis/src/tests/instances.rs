//! Several servers on one Redis: wake-ups, leases, taking over, fencing.

use std::sync::Arc;
use std::time::Duration;

use store::conformance::{NOW, append, claim, finish, id, spec, submit, submit_and_claim, ticket};
use store::{
    Claim, Claimed, CommitError, Counts, EncodedEvent, FeedFilter, LeaseState, PutBack, Release, Signal,
    Store, WaitReason, Waiting,
};
use tokio::time::timeout;

use super::server::Server;
use super::{PATIENCE, becomes, changes, encoded, finish_of, open_as, read_all, settings};
use crate::{InstanceSettings, RedisSettings, RedisStore};

const PREFIX: &str = "{ccs}:";

/// A server whose lease ends soon after it has fallen silent.
pub(super) async fn open_hasty(server: &Server, name: &str) -> RedisStore {
    let settings = RedisSettings {
        lease: Duration::from_millis(2_000),
        heartbeat: Duration::from_millis(200),
        ..settings(server, PREFIX, name)
    };
    RedisStore::open(settings).await.expect("opens")
}

/// Waits until there is something to be taken over, and takes it over.
async fn take_over(store: &RedisStore) -> Vec<Claimed> {
    let mut left = store.watch_take_over().expect("it is shared");
    loop {
        let taken = store.take_over(NOW).await.expect("available");
        if !taken.is_empty() {
            return taken;
        }
        changes(&mut left).await;
    }
}

#[tokio::test]
async fn what_one_commits_wakes_those_who_watch_on_another() {
    let server = Server::start("no");
    let (one, two) = (open_as(&server, PREFIX, "one").await, open_as(&server, PREFIX, "two").await);
    let (mut queue, mut feed) = (two.watch_queue(), two.watch_feed());
    one.submit(submit(spec("t"))).await.expect("admitted");
    changes(&mut queue).await;
    changes(&mut feed).await;
    let claimed = claim(&two, NOW).await;
    let mut signal = one.watch(&id("t")).await.expect("available").expect("there");
    two.append(append(&claimed, 1..=3)).await.expect("written");
    becomes(&mut signal, |signal| signal.tail == 3).await;
    let mut owner = two.watch(&id("t")).await.expect("available").expect("there");
    one.request_interrupt(&id("t"), NOW).await.expect("recorded");
    becomes(&mut owner, |signal| signal.interrupt_requested).await;
    finish(&two, &claimed, 4).await;
    becomes(&mut signal, |signal| signal.ended).await;
    assert_eq!(*signal.borrow(), Signal { tail: 4, ended: true, interrupt_requested: true });
    let place = *two.watch_feed().borrow();
    becomes(&mut one.watch_feed(), |known| *known == place).await;
    let page = one.read_feed(0, &FeedFilter::default()).await.expect("available");
    assert_eq!(page.cursor, place);
}

#[tokio::test]
async fn an_answer_on_one_wakes_the_queue_of_another() {
    let server = Server::start("no");
    let (one, two) = (open_as(&server, PREFIX, "one").await, open_as(&server, PREFIX, "two").await);
    let claimed = submit_and_claim(&one, "t").await;
    let question = super::question();
    let waiting = Waiting { reason: WaitReason::Answer, until: NOW.after(Duration::from_secs(60)) };
    let append = append(&claimed, 1..=1);
    one.put_back(PutBack { append, waiting, failed: false, question: Some(question.clone()) })
        .await
        .expect("put back");
    let session_id = claimed.task.session_id.clone();
    let release = Release { session_id, token: claimed.token, conversation: None, now: NOW };
    one.release(release).await.expect("released");
    let mut queue = one.watch_queue();
    let allowed = domain::Answer { allow: true, expired: false, ..domain::Answer::expired() };
    two.answer(&id("t"), question.id, allowed.clone(), NOW).await.expect("taken");
    changes(&mut queue).await;
    let again = claim(&one, NOW).await;
    let answered = &again.task.questions.answered;
    assert_eq!(answered.iter().map(|answered| &answered.answer).collect::<Vec<_>>(), [&allowed]);
}

#[tokio::test]
async fn what_a_dead_one_ran_is_taken_over_and_it_is_fenced() {
    let server = Server::start("no");
    let (one, two) = (open_hasty(&server, "one").await, open_hasty(&server, "two").await);
    let before = submit_and_claim(&one, "t").await;
    one.append(append(&before, 1..=1)).await.expect("written");
    assert_eq!(two.take_over(NOW).await, Ok(vec![]), "its lease holds");
    one.freeze();
    let taken = take_over(&two).await;
    let [taken] = taken.as_slice() else { unreachable!("{taken:?}") };
    assert!(taken.token > before.token && taken.task.tail == 1);
    // It wakes up, and knows nothing of it.
    assert_eq!(one.append(append(&before, 2..=2)).await, Err(CommitError::Fenced));
    let late = finish_of(&id("t"), Some(before.token), 2, false);
    assert_eq!(one.finish(late).await, Err(CommitError::Fenced));
    let late = Release {
        session_id: before.task.session_id.clone(),
        token: before.token,
        conversation: None,
        now: NOW,
    };
    one.release(late).await.expect("changes nothing");
    assert_eq!(two.counts(NOW).await, Ok(Counts { running: 1, active_sessions: 1, ..Counts::default() }));
    assert!(one.claim(ticket(), NOW).await.is_err(), "without a lease it is handed nothing");
    assert_eq!(*one.lease().expect("shared").borrow(), LeaseState::Lost);
    two.append(append(taken, 2..=2)).await.expect("its log goes on");
    finish(&two, taken, 3).await;
    assert_eq!(read_all(&one, "t").await, encoded(1..=3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_take_over_at_once_each_gets_something_else() {
    let server = Server::start("no");
    let one = open_as(&server, PREFIX, "one").await;
    let mut expected = Vec::new();
    for number in 0..20 {
        let claimed = submit_and_claim(&one, &format!("t{number}")).await;
        expected.push(claimed.task.spec.task_id.clone());
        // Of some only the release is missing.
        if number % 4 == 0 {
            let end = finish_of(&claimed.task.spec.task_id, Some(claimed.token), 1, false);
            one.finish(end).await.expect("finished");
            expected.pop();
        }
    }
    let others = [open_as(&server, PREFIX, "two").await, open_as(&server, PREFIX, "three").await];
    one.close().await.expect("left");
    let (two, three) = tokio::join!(others[0].take_over(NOW), others[1].take_over(NOW));
    let taken = [two.expect("available"), three.expect("available")].concat();
    let mut found: Vec<_> = taken.iter().map(|taken| taken.task.spec.task_id.clone()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(
        others[0].counts(NOW).await,
        Ok(Counts { running: 15, active_sessions: 15, ..Counts::default() })
    );
}

#[tokio::test]
async fn a_commit_under_a_lease_that_has_ended_is_refused_before_anybody_has_taken_over() {
    let server = Server::start("no");
    let one = open_hasty(&server, "one").await;
    let claimed = submit_and_claim(&one, "t").await;
    one.freeze();
    let other = open_hasty(&server, "two").await;
    let mut left = other.watch_take_over().expect("shared");
    let alive = async || {
        let instances = other.instances().await.expect("available");
        instances.into_iter().map(|instance| instance.alive).collect::<Vec<_>>()
    };
    // The other one is told, and does nothing about it.
    while alive().await != [false, true] {
        changes(&mut left).await;
    }
    assert_eq!(one.append(append(&claimed, 1..=1)).await, Err(CommitError::Fenced));
}

#[tokio::test]
async fn who_lost_its_lease_is_told_and_begins_anew() {
    let server = Server::start("no");
    let one = open_hasty(&server, "one").await;
    let mut lease = one.lease().expect("shared");
    assert!(matches!(*lease.borrow(), LeaseState::Held { .. }));
    let before = submit_and_claim(&one, "t").await;
    let id_before = one.instance();
    // As if it had slept for too long.
    one.expire().await;
    becomes(&mut lease, |state| *state == LeaseState::Lost).await;
    assert_eq!(one.append(append(&before, 1..=1)).await, Err(CommitError::Fenced));
    one.rejoin().await.expect("joins");
    assert!(!lease.borrow().covers(before.token) && one.instance() != id_before);
    assert_eq!(one.append(append(&before, 1..=1)).await, Err(CommitError::Fenced), "a token stays stale");
    let taken = one.take_over(NOW).await.expect("available");
    let [taken] = taken.as_slice() else { unreachable!("{taken:?}") };
    finish(&one, taken, 1).await;
    assert_eq!(one.instances().await.expect("available").len(), 1, "what it was before is forgotten");
}

#[tokio::test]
async fn a_restart_under_the_same_name_takes_over_at_once_and_pushes_the_earlier_one_out() {
    let server = Server::start("no");
    let earlier = open_hasty(&server, "here").await;
    let claimed = submit_and_claim(&earlier, "t").await;
    let later = open_hasty(&server, "here").await;
    let taken = later.take_over(NOW).await.expect("available");
    assert_eq!(taken.iter().map(|taken| &taken.task).collect::<Vec<_>>(), [&claimed.task]);
    becomes(&mut earlier.lease().expect("shared"), |state| *state == LeaseState::Lost).await;
    let refused = earlier.rejoin().await.expect_err("its successor lives");
    assert!(refused.0.contains("instance name \"here\""), "{refused}");
    assert!(matches!(*later.lease().expect("shared").borrow(), LeaseState::Held { .. }));
}

#[tokio::test]
async fn who_leaves_says_so() {
    let server = Server::start("no");
    // Leases of the usual length: nobody waits for their end.
    let (one, two) = (open_as(&server, PREFIX, "one").await, open_as(&server, PREFIX, "two").await);
    submit_and_claim(&one, "t").await;
    let mut left = two.watch_take_over().expect("shared");
    // Its own beginning wakes it too.
    two.take_over(NOW).await.expect("available");
    one.close().await.expect("left");
    changes(&mut left).await;
    assert_eq!(take_over(&two).await.len(), 1);
    let instances = two.instances().await.expect("available");
    assert_eq!(
        instances.into_iter().map(|instance| (instance.name, instance.running)).collect::<Vec<_>>(),
        [("two".into(), 1)]
    );
}

#[tokio::test]
async fn servers_are_listed_and_a_draining_one_is_handed_nothing() {
    let server = Server::start("no");
    let instance = InstanceSettings {
        name: Some("one".into()),
        labels: super::labels(&["zone=a"]).into_iter().collect(),
        workspace_roots: vec!["/w".into()],
    };
    let one = RedisStore::open(RedisSettings { instance, ..settings(&server, PREFIX, "one") })
        .await
        .expect("opens");
    let two = open_as(&server, PREFIX, "two").await;
    submit_and_claim(&one, "a").await;
    two.submit(submit(spec("b"))).await.expect("admitted");
    let me = one.instance().expect("shared");
    let mut queue = one.watch_queue();
    assert_eq!(two.set_draining(&me, true).await, Ok(true));
    assert_eq!(two.set_draining("nobody", true).await, Ok(false));
    assert_eq!(one.claim(ticket(), NOW).await, Ok(Claim::Nothing { until: None }));
    let listed = two.instances().await.expect("available");
    let first = &listed[0];
    assert_eq!(
        (first.id.clone(), first.labels.clone(), first.workspace_roots.clone(), first.running),
        (me.clone(), super::labels(&["zone=a"]).into_iter().collect(), vec!["/w".into()], 1)
    );
    assert!(first.draining && first.alive && !listed[1].draining);
    changes(&mut queue).await;
    assert_eq!(two.set_draining(&me, false).await, Ok(true));
    assert_eq!(claim(&one, NOW).await.task.spec.task_id, id("b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_follow_a_task_of_another_read_redis_once() {
    let server = Server::start("no");
    let (one, two) = (open_as(&server, PREFIX, "one").await, open_as(&server, PREFIX, "two").await);
    let claimed = submit_and_claim(&one, "t").await;
    let two = Arc::new(two);
    let mut followers = Vec::new();
    for _ in 0..200 {
        let mut signal = two.watch(&id("t")).await.expect("available").expect("there");
        let store = Arc::clone(&two);
        followers.push(tokio::spawn(async move {
            let mut read = Vec::new();
            loop {
                let cursor = read.last().map_or(0, |event: &EncodedEvent| event.seq);
                signal.borrow_and_update();
                let page = store.read(&id("t"), cursor).await.expect("available").expect("there");
                let is_idle = page.events.is_empty();
                read.extend(page.events);
                if page.complete {
                    return read;
                }
                if is_idle {
                    changes(&mut signal).await;
                }
            }
        }));
    }
    let before = server.calls_of("xrange");
    for seq in 1..=30 {
        one.append(append(&claimed, seq..=seq)).await.expect("written");
    }
    finish(&one, &claimed, 31).await;
    let expected = encoded(1..=31);
    for follower in followers {
        assert_eq!(timeout(PATIENCE, follower).await.expect("in time").expect("no panic"), expected);
    }
    let reads = server.calls_of("xrange") - before;
    assert!(reads <= 31, "{reads} reads of the log, where 200 followers want 31 events each");
}

#[tokio::test]
async fn a_lost_subscription_loses_no_wake_up() {
    let server = Server::start("no");
    let (one, two) = (open_as(&server, PREFIX, "one").await, open_as(&server, PREFIX, "two").await);
    let claimed = submit_and_claim(&one, "t").await;
    let mut signal = two.watch(&id("t")).await.expect("available").expect("there");
    for seq in 1..=5 {
        server.run(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        one.append(append(&claimed, seq..=seq)).await.expect("written");
        becomes(&mut signal, |signal| signal.tail == seq).await;
    }
    finish(&one, &claimed, 6).await;
    becomes(&mut signal, |signal| signal.ended).await;
}

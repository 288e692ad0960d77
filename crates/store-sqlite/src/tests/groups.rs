//! Transactions that several commands share.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use domain::TaskSpec;
use store::conformance::{FailurePoint, NOW, append, claim, id, session, spec, submit, submit_and_claim};
use store::{Claimed, CommitError, Counts, FeedFilter, Store, StoreError, SubmitError};

use crate::inbox::closed;

use super::*;

fn unstorable(task: &str) -> TaskSpec {
    let path = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(b"/w/\xff"));
    TaskSpec { workspace: path, ..spec(task) }
}

#[tokio::test]
async fn a_command_that_the_storage_chokes_on_does_not_fail_the_others_of_its_group() {
    let place = Place::new();
    let store = place.open();
    let claimed = submit_and_claim(&store, "running").await;
    let release = hold(&store).await;
    let (before, poisoned, after, refused, appended, ()) = tokio::join!(
        biased;
        store.submit(submit(spec("before"))),
        store.submit(submit(unstorable("poisoned"))),
        store.submit(submit(spec("after"))),
        store.append(append(&claimed, 7..=7)),
        store.append(append(&claimed, 1..=2)),
        async { drop(release) },
    );
    assert!(before.expect("admitted").created && after.expect("admitted").created);
    let message = "the path /w/\u{fffd} cannot be stored, because it is not UTF-8: rename it".to_owned();
    assert_eq!(poisoned.map(|_| ()), Err(SubmitError::Store(StoreError(message))));
    assert_eq!(refused, Err(CommitError::Sequence { tail: 0, first: 7 }));
    assert_eq!(appended, Ok(()));
    assert_eq!(task(&store, "poisoned").await, None);
    let counts = Counts { waiting: 2, running: 1, active_sessions: 1, ..Counts::default() };
    assert_eq!(store.counts(NOW).await, Ok(counts));
    drop(store);
    let store = place.open();
    assert_eq!(store.open_tasks().await, Ok(vec![id("running"), id("before"), id("after")]));
    assert!(is_whole(&log(&store, "running").await, 2));
}

#[tokio::test]
async fn what_a_failed_commit_kept_is_not_done_again_and_followers_see_no_hole() {
    let place = Place::new();
    let store = place.open();
    let (a, b) = (submit_and_claim(&store, "a").await, submit_and_claim(&store, "b").await);
    store.append(append(&a, 1..=1)).await.expect("written");
    let mut signal = store.watch(&id("a")).await.expect("available").expect("there");
    signal.borrow_and_update();
    *store.failure.lock().expect("not poisoned") = Some(FailurePoint::AfterCommit);
    let release = hold(&store).await;
    let (first, second, third, ()) = tokio::join!(
        biased;
        store.append(append(&a, 2..=2)),
        store.append(append(&b, 1..=1)),
        store.submit(submit(spec("c"))),
        async { drop(release) },
    );
    assert!(matches!(first, Err(CommitError::Store(_))), "{first:?}");
    assert!(matches!(second, Err(CommitError::Store(_))), "{second:?}");
    assert!(matches!(third, Err(SubmitError::Store(_))), "{third:?}");
    assert_eq!(signal.borrow_and_update().tail, 2, "followers are told what is there");
    store.append(append(&a, 3..=3)).await.expect("it goes on");
    assert!(is_whole(&log(&store, "a").await, 3));
    assert!(is_whole(&log(&store, "b").await, 1));
    assert!(!store.submit(submit(spec("c"))).await.expect("there already").created);
    let page = store.read_feed(0, &FeedFilter::default()).await.expect("available");
    assert_eq!(*store.watch_feed().borrow(), page.cursor);
}

#[tokio::test]
async fn a_feed_never_announces_what_was_rolled_back() {
    let place = Place::new();
    let store = place.open();
    let claimed = submit_and_claim(&store, "t").await;
    let announced = *store.watch_feed().borrow();
    *store.failure.lock().expect("not poisoned") = Some(FailurePoint::BeforeCommit);
    assert!(store.append(append(&claimed, 1..=5)).await.is_err());
    assert_eq!(*store.watch_feed().borrow(), announced);
    assert_eq!(
        store.claim(store::conformance::ticket(), NOW).await,
        Ok(store::Claim::Nothing { until: None })
    );
    assert_eq!(*store.watch_feed().borrow(), announced);
    store.append(append(&claimed, 1..=5)).await.expect("written");
    let page = store.read_feed(announced, &FeedFilter::default()).await.expect("available");
    assert_eq!((page.entries.len(), page.cursor), (5, *store.watch_feed().borrow()));
}

#[tokio::test]
async fn a_full_disk_is_told_and_things_go_on_when_there_is_space_again() {
    let place = Place::new();
    let store = place.open();
    let claimed = submit_and_claim(&store, "t").await;
    let limit = async |pages: &'static str| {
        let limit = store.command(0, move |core| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            let connection = core.tables().connection();
            connection.query_row(&sql, [], |_| Ok(())).map_err(|error| StoreError(error.to_string()))
        });
        limit.await.expect("set");
    };
    limit("1").await; // as many as there are
    let full = Err(CommitError::Store(StoreError("database or disk is full".into())));
    assert_eq!(store.append(append_sized(&claimed, 1..=100, 10_000)).await, full);
    assert_eq!(task(&store, "t").await.map(|task| task.tail), Some(0));
    limit("1000000").await;
    assert_eq!(store.append(append_sized(&claimed, 1..=100, 10_000)).await, Ok(()));
    assert!(is_whole(&log(&store, "t").await, 100));
}

#[tokio::test]
async fn a_store_that_cannot_read_its_state_tries_it_again_with_every_command() {
    let place = Place::new();
    let store = place.open();
    let claimed = submit_and_claim(&store, "t").await;
    let other = crate::connection::open_writer(&place.database()).expect("opens");
    other.execute_batch("ALTER TABLE sessions RENAME TO gone").expect("renamed");
    for _ in 0..3 {
        let failed = store.submit(submit(spec("u"))).await.map(|_| ());
        assert!(
            matches!(&failed, Err(SubmitError::Store(error)) if error.0.contains("no such table")),
            "{failed:?}"
        );
        assert!(store.open_tasks().await.is_err(), "what is not known is not told");
    }
    other.execute_batch("ALTER TABLE gone RENAME TO sessions").expect("renamed");
    store.submit(submit(spec("u"))).await.expect("admitted");
    store.append(append(&claimed, 1..=1)).await.expect("the lease holds");
    assert_eq!(claim(&store, NOW).await.task.spec.task_id, id("u"));
    assert_eq!(store.open_tasks().await, Ok(vec![id("t"), id("u")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_writers_share_commits_and_each_keeps_its_order() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let mut writers = Vec::new();
    for writer in 0..8 {
        let claimed = submit_and_claim(&*store, &format!("t{writer}")).await;
        writers.push(tokio::spawn(write(Arc::clone(&store), claimed)));
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    for writer in 0..8 {
        assert!(is_whole(&log(&store, &format!("t{writer}")).await, 900), "t{writer}");
    }
    let (mut cursor, mut seen) = (0, std::collections::HashMap::new());
    loop {
        let filter = FeedFilter { session: Some(session("session-t3")), ..FeedFilter::default() };
        let page = store.read_feed(cursor, &filter).await.expect("available");
        if page.cursor == cursor {
            break;
        }
        cursor = page.cursor;
        for entry in page.entries {
            seen.insert(entry.position, entry.json);
        }
    }
    assert_eq!(seen.len(), 900 + 2, "its events and the notices of its admission and its start");
}

async fn write(store: Arc<SqliteStore>, claimed: Claimed) {
    for seq in (1..=900).step_by(3) {
        store.append(append(&claimed, seq..=seq + 2)).await.expect("written");
    }
}

#[tokio::test]
async fn what_was_asked_for_before_the_close_is_done_and_what_comes_later_is_refused() {
    let place = Place::new();
    let store = place.open();
    let release = hold(&store).await;
    let (submitted, ()) = tokio::join!(
        biased;
        store.submit(submit(spec("t"))),
        async {
            store.inbox.close();
            drop(release);
        },
    );
    assert!(submitted.expect("admitted").created);
    store.close();
    store.close();
    let closed =
        StoreError("the store is closed: the server is stopping, or its storage thread has ended".into());
    assert_eq!(store.submit(submit(spec("u"))).await, Err(SubmitError::Store(closed.clone())));
    assert_eq!((store.counts(NOW).await, store.task(&id("t")).await), (Err(closed.clone()), Err(closed)));
    assert_eq!(place.open().open_tasks().await, Ok(vec![id("t")]), "its lock was given back");
}

#[tokio::test]
async fn a_writer_that_panics_is_told_and_nothing_that_it_kept_is_lost() {
    let place = Place::new();
    let store = place.open();
    store.submit(submit(spec("kept"))).await.expect("admitted");
    let panic = async {
        store.inbox.ask(Box::new(|_| unreachable!("a test lets the writer panic"))).expect("open");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = store.ended() => {}
        () = panic => {}
    }
    assert_eq!(store.claim(1, NOW).await.map(|_| ()), Err(closed()));
    store.close();
    assert_eq!(place.open().open_tasks().await, Ok(vec![id("kept")]));
}

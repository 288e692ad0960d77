//! Retention.

use super::*;
use crate::{Append, CreateSession, DeleteError, DeletedSession, Dropped, Retention};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    what_is_beyond_the_retention_goes_oldest_first_and_nothing_that_is_open(&*new().await.store()).await;
    a_dropped_task_leaves_nothing_and_numbers_go_on(new().await).await;
    what_a_waiting_task_depends_on_stays(&*new().await.store()).await;
    what_dooms_a_task_stays_until_that_has_ended(new().await).await;
    what_is_to_be_forked_stays(&*new().await.store()).await;
    what_stays_holds_up_nothing_else(&*new().await.store()).await;
    sessions_that_stay_hold_up_no_others(&*new().await.store()).await;
}

async fn there(store: &dyn Store, tasks: &[&str]) -> Vec<bool> {
    let mut found = Vec::new();
    for task in tasks {
        found.push(store.task(&id(task)).await.expect("available").is_some());
    }
    found
}

async fn what_is_beyond_the_retention_goes_oldest_first_and_nothing_that_is_open(store: &dyn Store) {
    let running = submit_and_claim(store, "running").await;
    for task in ["a", "b", "c"] {
        let claimed = submit_and_claim(store, task).await;
        finish(store, &claimed, 1).await;
    }
    let drop = async |retention: Retention, now| {
        store.drop_beyond(&retention, now, None, 10).await.expect("available").tasks
    };
    assert_eq!(drop(Retention::ALL, after(1_000_000)).await, 0);
    assert_eq!(drop(Retention { max_tasks: 2, ..Retention::ALL }, NOW).await, 1);
    assert_eq!(there(store, &["running", "a", "b", "c"]).await, [true, false, true, true]);
    assert_eq!(drop(Retention { max_bytes: 1, ..Retention::ALL }, NOW).await, 1, "the newest is kept");
    assert_eq!(there(store, &["b", "c"]).await, [false, true]);
    let max_age = Some(Duration::from_millis(10));
    assert_eq!(drop(Retention { max_age, ..Retention::ALL }, after(10)).await, 0);
    assert_eq!(drop(Retention { max_age, ..Retention::ALL }, after(11)).await, 1);
    assert_eq!(there(store, &["running", "c"]).await, [true, false]);
    finish(store, &submit_and_claim(store, "d").await, 1).await;
    let young = Retention { min_age: Duration::from_millis(10), max_tasks: 0, ..Retention::ALL };
    assert_eq!(drop(young, after(9)).await, 0, "its readers are still at it");
    assert_eq!(drop(young, after(10)).await, 1);
    store.append(append(&running, 1..=1)).await.expect("it goes on");
}

async fn a_dropped_task_leaves_nothing_and_numbers_go_on<B: Backend>(mut backend: B) {
    let store = backend.store();
    let claimed = submit_and_claim(&*store, "a").await;
    store.finish(finish_with(id("a"), Some(claimed.token), 1, Ending::Completed)).await.expect("finished");
    let kept = conversation();
    store.release(release(&claimed, Some(kept))).await.expect("released");
    let before = *store.watch_feed().borrow();
    let nothing = Retention { max_tasks: 0, ..Retention::ALL };
    let dropped = store.drop_beyond(&nothing, NOW, None, 10).await.expect("available");
    let id_of = claimed.task.session_id.clone();
    let session = DeletedSession { id: id_of, principal: Principal::default(), conversation: Some(kept) };
    assert_eq!(dropped, Dropped { tasks: 1, sessions: vec![session], next: None });
    assert_eq!((store.sessions().await, store.read(&id("a"), 0).await), (Ok(vec![]), Ok(None)));
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    let claimed = submit_and_claim(&*store, "a").await;
    finish(&*store, &claimed, 1).await;
    let page = store.read_feed(before, &crate::FeedFilter::default()).await.expect("available");
    assert_eq!(page.entries.last().map(|entry| entry.json.clone()), Some(text(1).into()));
    assert_eq!(read_all(&*store, "a").await, (encoded(1..=1), true));
}

async fn what_a_waiting_task_depends_on_stays(store: &dyn Store) {
    let (first, second) = (submit_and_claim(store, "first").await, submit_and_claim(store, "second").await);
    let depends_on = vec![id("first"), id("second")];
    let schedule = domain::Schedule { depends_on, ..domain::Schedule::default() };
    store.submit(submit(TaskSpec { schedule, ..spec("waits") })).await.expect("admitted");
    finish(store, &first, 1).await;
    let nothing = Retention { max_tasks: 0, ..Retention::ALL };
    store.drop_beyond(&nothing, NOW, None, 10).await.expect("available");
    assert_eq!(there(store, &["second", "waits"]).await, [true, true]);
    finish(store, &second, 1).await;
    assert_eq!(claim(store, NOW).await.task.spec.task_id, id("waits"));
}

async fn what_dooms_a_task_stays_until_that_has_ended<B: Backend>(mut backend: B) {
    let store = backend.store();
    let first = submit_and_claim(&*store, "first").await;
    let schedule = domain::Schedule { depends_on: vec![id("first")], ..domain::Schedule::default() };
    store.submit(submit(TaskSpec { schedule, ..spec("waits") })).await.expect("admitted");
    finish_as(&*store, &first, 1, Ending::Failed).await;
    let nothing = Retention { max_tasks: 0, ..Retention::ALL };
    store.drop_beyond(&nothing, NOW, None, 10).await.expect("available");
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert!(super::nothing(&*store, NOW).await, "it is doomed after a crash too");
    assert_eq!(store.doomed().await.map(|doomed| doomed.len()), Ok(1));
    store.finish(finish_with(id("waits"), None, 1, Ending::Failed)).await.expect("ended");
    store.drop_beyond(&nothing, NOW, None, 10).await.expect("available");
    assert_eq!(there(&*store, &["first", "waits"]).await, [false, false]);
}

async fn what_is_to_be_forked_stays(store: &dyn Store) {
    let origin = submit_and_claim(store, "origin").await;
    store
        .finish(finish_with(id("origin"), Some(origin.token), 1, Ending::Completed))
        .await
        .expect("finished");
    store.release(release(&origin, Some(conversation()))).await.expect("released");
    let fork = SessionChoice::Fork(origin.task.session_id.clone());
    store.submit(submit(TaskSpec { session: fork, ..spec("fork") })).await.expect("admitted");
    let forked = Err(DeleteError::Forked(vec![session("session-fork")]));
    assert_eq!(store.delete_session(&origin.task.session_id).await, forked);
    let nothing = Retention { max_tasks: 0, ..Retention::ALL };
    assert_eq!(store.drop_beyond(&nothing, NOW, None, 10).await, Ok(Dropped::default()));
    let fork = claim(store, NOW).await;
    let copy = conversation();
    store.append(Append { conversation: Some(copy), ..append(&fork, 1..=1) }).await.expect("written");
    finish(store, &fork, 2).await;
    assert_eq!(store.drop_beyond(&nothing, NOW, None, 10).await.expect("available").tasks, 2);
}

/// A session with a conversation, and another one that is to begin with a copy of it.
async fn to_be_forked(store: &dyn Store, task: &str) {
    let origin = submit_and_claim(store, task).await;
    let written = Append { conversation: Some(conversation()), ..append(&origin, 1..=1) };
    store.append(written).await.expect("written");
    finish(store, &origin, 2).await;
    let fork = CreateSession {
        id: session(&format!("fork-of-{task}")),
        principal: Principal::default(),
        workspace: None,
        fork: Some(origin.task.session_id),
        now: after(1_000),
    };
    store.create_session(fork).await.expect("made");
}

async fn what_stays_holds_up_nothing_else(store: &dyn Store) {
    to_be_forked(store, "stays-0").await;
    for number in 1..4 {
        let task = in_session(&format!("stays-{number}"), "session-stays-0", WhenBusy::Enqueue);
        store.submit(submit(task)).await.expect("admitted");
        finish(store, &claim(store, NOW).await, 1).await;
    }
    for task in ["a", "b", "c"] {
        finish(store, &submit_and_claim(store, task).await, 1).await;
    }
    let nothing = Retention { max_tasks: 0, ..Retention::ALL };
    let first = store.drop_beyond(&nothing, NOW, None, 2).await.expect("available");
    assert_eq!(
        (first.tasks, there(store, &["stays-3", "a", "b", "c"]).await),
        (2, vec![true, false, false, true])
    );
    let second = store.drop_beyond(&nothing, NOW, first.next, 2).await.expect("available");
    let ids = second.sessions.iter().map(|session| session.id.as_str()).collect::<Vec<_>>();
    assert_eq!((second.tasks, ids, second.next), (1, vec!["session-c"], None));
    assert_eq!(
        there(store, &["stays-0", "stays-1", "stays-2", "stays-3", "c"]).await,
        [true, true, true, true, false]
    );
}

async fn sessions_that_stay_hold_up_no_others(store: &dyn Store) {
    for number in 0..3 {
        let task = format!("stays-{number}");
        to_be_forked(store, &task).await;
        store.delete_task(&id(&task)).await.expect("it has ended");
    }
    let plain = |name: &str| CreateSession {
        id: session(name),
        principal: Principal::default(),
        workspace: Some("/w".into()),
        fork: None,
        now: after(1),
    };
    store.create_session(plain("empty")).await.expect("made");
    let old = Retention { max_age: Some(Duration::from_millis(10)), ..Retention::ALL };
    let dropped = store.drop_beyond(&old, after(100), None, 2).await.expect("available");
    let ids = dropped.sessions.iter().map(|session| session.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids, ["empty"]);
}

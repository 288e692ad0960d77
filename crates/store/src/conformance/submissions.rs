//! Admission: idempotent, bounded, complete.

use domain::{Fingerprint, Principal, SessionChoice, TaskSpec, TaskStatus, WhenBusy};

use super::*;
use crate::{Counts, SubmitError};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    a_submission_is_idempotent_by_id_and_body(&*new().await.store()).await;
    everything_that_was_asked_for_is_kept(&*new().await.store()).await;
    a_full_queue_refuses_and_loses_nothing(&*new().await.store()).await;
    a_queue_counts_what_nobody_is_free_for(&*new().await.store()).await;
    a_foreign_session_does_not_exist(&*new().await.store()).await;
    a_deleted_task_whose_session_stays_is_not_taken_for_another_one(&*new().await.store()).await;
}

async fn a_submission_is_idempotent_by_id_and_body(store: &dyn Store) {
    let first = store.submit(submit(spec("t"))).await.expect("admitted");
    assert!(first.created);
    assert_eq!((first.task.status, first.task.session_id.as_str()), (TaskStatus::Pending, "session-t"));
    let again = store.submit(submit(spec("t"))).await.expect("the same task");
    assert_eq!((again.created, again.task), (false, first.task));
    let other = TaskSpec { fingerprint: Fingerprint([1; 32]), ..spec("t") };
    assert_eq!(store.submit(submit(other)).await, Err(SubmitError::IdTaken));
    let reuse = in_session("u", "nowhere", WhenBusy::Enqueue);
    assert_eq!(store.submit(submit(reuse)).await, Err(SubmitError::SessionUnknown(session("nowhere"))));
    assert_eq!(store.task(&id("u")).await, Ok(None));
    assert_eq!(store.open_tasks().await, Ok(vec![id("t")]));
}

async fn everything_that_was_asked_for_is_kept(store: &dyn Store) {
    let mut wanted = spec("t");
    wanted.prompt = "line one\nline two \u{1F600} \"quoted\" \0".into();
    wanted.workspace = PathBuf::from("/w/ä b");
    wanted.options.allowed_tools = vec!["Bash(git *)".into()];
    wanted.options.model = Some("opus".into());
    wanted.schedule.start_at = Some(after(5));
    store.submit(submit(wanted.clone())).await.expect("admitted");
    let claimed = claim(store, after(5)).await;
    finish(store, &claimed, 1).await;
    let task = store.task(&id("t")).await.expect("available").expect("there");
    assert_eq!(*task.spec, wanted);
    let outcome = task.outcome.expect("an outcome");
    assert_eq!((outcome.summary.as_str(), task.cost_usd, task.attempt), ("done", 0.5, 1));
    assert_eq!((task.created_at, task.started_at), (NOW, Some(after(5))));
}

async fn a_full_queue_refuses_and_loses_nothing(store: &dyn Store) {
    let submit = |spec| Submit { max_pending: 2, ..submit(spec) };
    for task in ["a", "b"] {
        store.submit(submit(spec(task))).await.expect("admitted");
    }
    assert_eq!(store.submit(submit(spec("c"))).await, Err(SubmitError::QueueFull { waiting: 2 }));
    assert_eq!(store.counts(NOW).await, Ok(Counts { waiting: 2, ..Counts::default() }));
    assert!(store.submit(submit(spec("a"))).await.is_ok(), "a retry of an admitted task is no new task");
    assert_eq!(store.tasks_ahead(&id("b")).await, Ok(Some(1)));
    let claimed = claim(store, NOW).await;
    assert_eq!(claimed.task.spec.task_id, id("a"));
    assert_eq!(
        (store.tasks_ahead(&id("a")).await, store.tasks_ahead(&id("b")).await),
        (Ok(None), Ok(Some(0)))
    );
    assert!(store.submit(submit(spec("c"))).await.is_ok(), "there is a place again");
    let counts = Counts { waiting: 2, running: 1, active_sessions: 1, ..Counts::default() };
    assert_eq!(store.counts(NOW).await, Ok(counts));
    store.finish(finish_with(id("a"), Some(claimed.token), 1, Ending::Completed)).await.expect("finished");
    assert_eq!(store.counts(NOW).await, Ok(Counts { running: 0, ..counts }));
    store.release(release(&claimed, None)).await.expect("released");
    store.finish(finish_with(id("b"), None, 1, Ending::Interrupted)).await.expect("finished");
    assert_eq!(store.counts(NOW).await, Ok(Counts { waiting: 1, ..Counts::default() }));
}

async fn a_queue_counts_what_nobody_is_free_for(store: &dyn Store) {
    let submit = |spec| Submit { max_pending: 1, max_at_work: 3, ..submit(spec) };
    for task in ["a", "b", "c", "waits"] {
        store.submit(submit(spec(task))).await.expect("three go at once, one waits");
    }
    let full = async |waiting| {
        let refused = store.submit(submit(spec("more"))).await;
        assert_eq!(refused, Err(SubmitError::QueueFull { waiting }));
    };
    full(4).await;
    let first = claim(store, NOW).await;
    full(3).await;
    let (second, third) = (claim(store, NOW).await, claim(store, NOW).await);
    full(1).await;
    store.put_back(put_back(&first, 1, WaitReason::RateLimit, after(100))).await.expect("put back");
    full(2).await;
    store.release(release(&first, None)).await.expect("released");
    let start_at = Some(after(100));
    let later = TaskSpec { schedule: Schedule { start_at, ..Schedule::default() }, ..spec("later") };
    store.submit(submit(later)).await.expect("the one that waited goes at once");
    full(3).await;
    assert_eq!(claim(store, NOW).await.task.spec.task_id, id("waits"));
    full(2).await;
    finish(store, &second, 1).await;
    finish(store, &third, 1).await;
    full(2).await;
}

async fn a_foreign_session_does_not_exist(store: &dyn Store) {
    store.submit(submit(spec("mine"))).await.expect("admitted");
    let principal = Principal::parse("somebody").expect("valid");
    let theirs = |choice| TaskSpec { principal: principal.clone(), session: choice, ..spec("theirs") };
    let unknown = Err(SubmitError::SessionUnknown(session("session-mine")));
    let reuse = SessionChoice::Reuse { id: session("session-mine"), when_busy: WhenBusy::Enqueue };
    assert_eq!(store.submit(submit(theirs(reuse))).await, unknown);
    assert_eq!(store.submit(submit(theirs(SessionChoice::Fork(session("session-mine"))))).await, unknown);
    let same_id = TaskSpec { principal, ..spec("mine") };
    assert_eq!(store.submit(submit(same_id)).await, Err(SubmitError::IdTaken));
}

async fn a_deleted_task_whose_session_stays_is_not_taken_for_another_one(store: &dyn Store) {
    finish(store, &submit_and_claim(store, "t").await, 1).await;
    store.submit(submit(in_session("next", "session-t", WhenBusy::Enqueue))).await.expect("admitted");
    let next = claim(store, NOW).await;
    store
        .append(Append { conversation: Some(conversation()), ..append(&next, 1..=1) })
        .await
        .expect("written");
    finish(store, &next, 2).await;
    store.delete_task(&id("t")).await.expect("it has ended");
    let fork = TaskSpec { session: SessionChoice::Fork(session("session-t")), ..spec("t") };
    for again in [spec("t"), fork] {
        let taken = SubmitError::SessionTaken(session("session-t"));
        assert_eq!(store.submit(submit(again)).await, Err(taken));
    }
    let goes_on = in_session("t", "session-t", WhenBusy::Enqueue);
    assert!(store.submit(submit(goes_on)).await.expect("admitted").created);
    finish(store, &claim(store, NOW).await, 1).await;
    store.delete_task(&id("t")).await.expect("it has ended");
    store.delete_session(&session("session-t")).await.expect("nothing runs in it");
    assert!(store.submit(submit(spec("t"))).await.expect("admitted").created);
}

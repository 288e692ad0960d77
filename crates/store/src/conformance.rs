//! What every backend must do, as one suite. A failed expectation panics, as in any test.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test suite")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{
    ConversationId, Ending, Fingerprint, LeaseToken, Outcome, PermissionMode, Policy, Principal, Progress,
    Schedule, SessionChoice, SessionId, TaskId, TaskOptions, TaskSpec, TaskStatus, Timestamp, WhenBusy,
};

use crate::{
    Append, Claimed, CommitError, Counts, DeleteError, EncodedEvent, Finish, InterruptError, Interrupted,
    Release, Signal, Store, Submit, SubmitError,
};

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn conversation() -> ConversationId {
    ConversationId::generate()
}

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("a valid id")
}

fn spec(task: &str) -> TaskSpec {
    TaskSpec {
        task_id: id(task),
        fingerprint: Fingerprint([0; 32]),
        principal: Principal::default(),
        prompt: "do it".into(),
        workspace: PathBuf::from("/w"),
        working_directory: PathBuf::from("/w"),
        options: TaskOptions {
            allowed_tools: vec![],
            permission_mode: PermissionMode::Default,
            max_turns: None,
            timeout: Duration::from_secs(1),
            model: None,
            max_budget_usd: None,
        },
        session: SessionChoice::New,
        schedule: Schedule::default(),
        policy: Policy::default(),
    }
}

fn reuse_of(id: SessionId) -> SessionChoice {
    SessionChoice::Reuse { id, when_busy: WhenBusy::Enqueue }
}

fn submit(spec: TaskSpec) -> Submit {
    Submit { spec, max_pending: 2, now: NOW }
}

fn events(seqs: std::ops::RangeInclusive<u64>) -> Vec<EncodedEvent> {
    seqs.map(|seq| EncodedEvent { seq, json: format!("{{\"seq\":{seq}}}").into() }).collect()
}

fn append(claimed: &Claimed, seqs: std::ops::RangeInclusive<u64>) -> Append {
    Append {
        task_id: claimed.task.spec.task_id.clone(),
        token: claimed.token,
        events: events(seqs),
        progress: Progress::default(),
        now: NOW,
    }
}

fn finish_with(task: TaskId, token: Option<LeaseToken>, seq: u64) -> Finish {
    let outcome =
        Outcome { ending: Ending::Completed, summary: "done".into(), errors: vec![], total_cost_usd: 0.0 };
    let progress = Progress { turns: 1, ..Progress::default() };
    Finish { task_id: task, token, events: events(seq..=seq), progress, outcome, now: NOW }
}

/// Submits a task and claims it.
pub async fn submit_and_claim(store: &dyn Store, task: &str) -> Claimed {
    store.submit(submit(spec(task))).await.expect("admitted");
    store.claim(NOW).await.expect("available").expect("a task to claim")
}

/// Ends a claimed task with the event `seq`, and releases its session.
pub async fn finish(store: &dyn Store, claimed: &Claimed, seq: u64) {
    let task = claimed.task.spec.task_id.clone();
    store.finish(finish_with(task, Some(claimed.token), seq)).await.expect("finished");
    store.release(release(claimed, None)).await.expect("released");
}

fn release(claimed: &Claimed, conversation: Option<ConversationId>) -> Release {
    Release { session_id: claimed.task.session_id.clone(), token: claimed.token, conversation, now: NOW }
}

/// Runs the whole suite, each case on a store of its own.
pub async fn run<S: Store>(new_store: impl Fn() -> Arc<S>) {
    a_submission_is_idempotent_by_id_and_body(&*new_store()).await;
    a_full_queue_refuses_and_loses_nothing(&*new_store()).await;
    a_session_runs_one_task_at_a_time_in_order(&*new_store()).await;
    a_task_is_claimed_once(new_store()).await;
    the_log_has_no_hole_and_a_stale_writer_is_fenced(&*new_store()).await;
    a_task_ends_once(&*new_store()).await;
    an_interrupt_is_recorded_and_wakes_the_worker(&*new_store()).await;
    a_busy_session_is_not_deleted(&*new_store()).await;
    readers_get_pages_in_order(&*new_store()).await;
}

async fn a_submission_is_idempotent_by_id_and_body(store: &dyn Store) {
    let first = store.submit(submit(spec("t"))).await.expect("admitted");
    assert!(first.created);
    assert_eq!((first.task.status, first.task.session_id.as_str()), (TaskStatus::Pending, "session-t"));
    let again = store.submit(submit(spec("t"))).await.expect("the same task");
    assert_eq!((again.created, again.task), (false, first.task));
    let other = TaskSpec { fingerprint: Fingerprint([1; 32]), ..spec("t") };
    assert_eq!(store.submit(submit(other)).await, Err(SubmitError::IdTaken));
    let unknown = SessionId::parse("nowhere").expect("a valid id");
    let reuse = TaskSpec { session: reuse_of(unknown.clone()), ..spec("u") };
    assert_eq!(store.submit(submit(reuse)).await, Err(SubmitError::SessionUnknown(unknown)));
    assert_eq!(store.task(&id("u")).await, Ok(None));
    assert_eq!(store.open_tasks().await, Ok(vec![id("t")]));
}

async fn a_full_queue_refuses_and_loses_nothing(store: &dyn Store) {
    for task in ["a", "b"] {
        store.submit(submit(spec(task))).await.expect("admitted");
    }
    assert_eq!(store.submit(submit(spec("c"))).await, Err(SubmitError::QueueFull { waiting: 2 }));
    assert_eq!(store.counts().await, Ok(Counts { waiting: 2, ..Counts::default() }));
    assert!(store.submit(submit(spec("a"))).await.is_ok(), "a retry of an admitted task is no new task");
    let claimed = store.claim(NOW).await.expect("available").expect("a task");
    assert_eq!(claimed.task.spec.task_id, id("a"));
    assert!(store.submit(submit(spec("c"))).await.is_ok(), "there is a place again");
    assert_eq!(store.counts().await, Ok(Counts { waiting: 2, running: 1, active_sessions: 1 }));
    store.finish(finish_with(id("a"), Some(claimed.token), 1)).await.expect("finished");
    assert_eq!(store.counts().await, Ok(Counts { waiting: 2, running: 0, active_sessions: 1 }));
    store.release(release(&claimed, None)).await.expect("released");
    store.finish(finish_with(id("b"), None, 1)).await.expect("finished");
    assert_eq!(store.counts().await, Ok(Counts { waiting: 1, ..Counts::default() }));
}

async fn a_session_runs_one_task_at_a_time_in_order(store: &dyn Store) {
    let first = submit_and_claim(store, "a").await;
    let session = first.task.session_id.clone();
    let reuse = TaskSpec { session: reuse_of(session.clone()), ..spec("b") };
    let elsewhere = TaskSpec { workspace: "/x".into(), ..reuse.clone() };
    assert_eq!(
        store.submit(submit(elsewhere)).await,
        Err(SubmitError::SessionWorkspaceDiffers(PathBuf::from("/w")))
    );
    store.submit(submit(reuse)).await.expect("admitted");
    assert_eq!(store.claim(NOW).await, Ok(None), "the session is held");
    store.finish(finish_with(id("a"), Some(first.token), 1)).await.expect("finished");
    assert_eq!(store.claim(NOW).await, Ok(None), "the agent's process is not gone yet");
    let kept = conversation();
    let mut queue = store.watch_queue();
    queue.borrow_and_update();
    store.release(release(&first, Some(kept))).await.expect("released");
    assert_eq!(queue.has_changed().ok(), Some(true), "a release wakes those who claim");
    let second = store.claim(NOW).await.expect("available").expect("the next task");
    assert_eq!((second.task.spec.task_id.clone(), second.conversation), (id("b"), Some(kept)));
    assert!(second.token > first.token);
    store.release(release(&first, None)).await.expect("an outdated release changes nothing");
    assert_eq!(store.claim(NOW).await, Ok(None));
}

async fn a_task_is_claimed_once<S: Store>(store: Arc<S>) {
    store.submit(submit(spec("t"))).await.expect("admitted");
    let workers = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.claim(NOW).await.expect("available").is_some() })
    });
    let mut winners = 0;
    for worker in workers.collect::<Vec<_>>() {
        winners += usize::from(worker.await.expect("no panic"));
    }
    assert_eq!(winners, 1);
}

async fn the_log_has_no_hole_and_a_stale_writer_is_fenced(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    store.append(append(&claimed, 1..=2)).await.expect("written");
    let hole = store.append(append(&claimed, 4..=4)).await;
    assert_eq!(hole, Err(CommitError::Sequence { tail: 2, first: 4 }));
    let double = store.append(append(&claimed, 2..=3)).await;
    assert_eq!(double, Err(CommitError::Sequence { tail: 2, first: 2 }));
    let stale = Claimed { token: LeaseToken(claimed.token.0 + 1), ..claimed.clone() };
    assert_eq!(store.append(append(&stale, 3..=3)).await, Err(CommitError::Fenced));
    store.append(append(&claimed, 3..=3)).await.expect("written");
    let page = store.read(&id("t"), 0).await.expect("available").expect("there");
    assert_eq!((page.events, page.complete), (events(1..=3), false));
}

async fn a_task_ends_once(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    assert_eq!(
        store.finish(finish_with(id("t"), None, 1)).await,
        Err(CommitError::Fenced),
        "it does not wait"
    );
    let mut signal = store.watch(&id("t")).await.expect("available").expect("there");
    store.finish(finish_with(id("t"), Some(claimed.token), 1)).await.expect("finished");
    assert_eq!(*signal.borrow_and_update(), Signal { tail: 1, ended: true, interrupt_requested: false });
    assert_eq!(store.finish(finish_with(id("t"), Some(claimed.token), 2)).await, Err(CommitError::Fenced));
    assert_eq!(store.append(append(&claimed, 2..=2)).await, Err(CommitError::Fenced));
    let task = store.task(&id("t")).await.expect("available").expect("there");
    assert_eq!((task.status, task.tail, task.progress.turns), (TaskStatus::Completed, 1, 1));
    let page = store.read(&id("t"), 0).await.expect("available").expect("there");
    assert_eq!((page.events, page.complete), (events(1..=1), true));
}

async fn an_interrupt_is_recorded_and_wakes_the_worker(store: &dyn Store) {
    assert_eq!(store.request_interrupt(&id("t"), NOW).await, Err(InterruptError::Unknown));
    store.submit(submit(spec("t"))).await.expect("admitted");
    let waiting = store.request_interrupt(&id("t"), NOW).await;
    assert!(matches!(waiting, Ok(Interrupted::Pending(_))), "{waiting:?}");
    let claimed = store.claim(NOW).await.expect("available").expect("a task");
    let mut signal = store.watch(&id("t")).await.expect("available").expect("there");
    signal.borrow_and_update();
    let running = store.request_interrupt(&id("t"), NOW).await;
    assert!(matches!(running, Ok(Interrupted::Running(_))), "{running:?}");
    assert_eq!(*signal.borrow_and_update(), Signal { tail: 0, ended: false, interrupt_requested: true });
    finish(store, &claimed, 1).await;
    assert_eq!(store.request_interrupt(&id("t"), NOW).await, Err(InterruptError::Ended));

    store.submit(submit(spec("waits"))).await.expect("admitted");
    store.finish(finish_with(id("waits"), None, 1)).await.expect("a waiting task ends without a lease");
    assert_eq!(store.claim(NOW).await, Ok(None), "and is not run any more");
}

async fn a_busy_session_is_not_deleted(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    let session = claimed.task.session_id.clone();
    assert_eq!(store.delete_session(&session).await, Err(DeleteError::Busy(vec![id("t")])));
    store.finish(finish_with(id("t"), Some(claimed.token), 1)).await.expect("finished");
    assert_eq!(store.delete_session(&session).await, Err(DeleteError::Held));
    store.release(release(&claimed, None)).await.expect("released");
    assert_eq!(store.delete_session(&session).await, Ok(()));
    assert_eq!(store.delete_session(&session).await, Err(DeleteError::Unknown));
    assert_eq!(store.sessions().await, Ok(vec![]));
    assert!(store.task(&id("t")).await.expect("available").is_some(), "its tasks stay readable");
}

async fn readers_get_pages_in_order(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    store.append(append(&claimed, 1..=2_000)).await.expect("written");
    store.finish(finish_with(id("t"), Some(claimed.token), 2_001)).await.expect("finished");
    let mut read = Vec::new();
    loop {
        let after = read.len() as u64;
        let page = store.read(&id("t"), after).await.expect("available").expect("there");
        assert!(page.complete || !page.events.is_empty(), "a page that is not the last has events");
        read.extend(page.events);
        if page.complete {
            break;
        }
    }
    assert_eq!(read, events(1..=2_001));
    let beyond = store.read(&id("t"), 5_000).await.expect("available").expect("there");
    assert_eq!((beyond.events, beyond.complete), (vec![], true));
    assert_eq!(store.read(&id("other"), 0).await, Ok(None));
}

//! What every backend must do, as one suite. A failed expectation panics, as in any test.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a test suite")]

mod crashes;
mod feed;
mod keeping;
mod leases;
mod listing;
mod log;
mod scheduling;
mod sessions;
mod submissions;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut;
use domain::{
    AgentOptions, ConversationId, Ending, Fingerprint, Labels, LeaseToken, Outcome, PermissionMode, Policy,
    Principal, Progress, Schedule, SessionChoice, SessionId, TaskId, TaskOptions, TaskSpec, Timestamp,
    WhenBusy,
};

use crate::{
    Append, BatchBuilder, Claim, Claimed, EncodedEvent, EventBatch, Finish, PutBack, Release, Store, Submit,
    WaitReason, Waiting,
};

/// When a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePoint {
    /// Nothing of it is kept.
    BeforeCommit,
    /// It is kept, and whoever asked for it is told of an error.
    AfterCommit,
}

/// A store of one kind, and what tests do to it.
pub trait Backend: Send {
    /// The kind.
    type Store: Store;

    /// The store.
    fn store(&self) -> Arc<Self::Store>;

    /// Lets the store's next commit fail at that point.
    fn fail_next_commit(&self, point: FailurePoint);

    /// Does what a crash and another start do.
    fn reopen(&mut self) -> impl Future<Output = ()> + Send;
}

/// Now, in this suite.
pub const NOW: Timestamp = Timestamp::from_millis(1_000);

/// That many milliseconds after [`NOW`].
fn after(millis: u64) -> Timestamp {
    NOW.after(Duration::from_millis(millis))
}

fn conversation() -> ConversationId {
    ConversationId::generate()
}

/// A task's id.
pub fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("a valid id")
}

/// A session's id.
pub fn session(text: &str) -> SessionId {
    SessionId::parse(text).expect("a valid id")
}

/// A task.
pub fn spec(task: &str) -> TaskSpec {
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
            max_budget_usd: Some(0.5),
            agent: AgentOptions::default(),
        },
        session: SessionChoice::New,
        schedule: Schedule::default(),
        policy: Policy::default(),
        labels: Labels::default(),
        metadata: None,
        trace_parent: None,
    }
}

/// A task in an existing session.
pub fn in_session(task: &str, id: &str, when_busy: WhenBusy) -> TaskSpec {
    TaskSpec { session: SessionChoice::Reuse { id: session(id), when_busy }, ..spec(task) }
}

/// The command that admits it.
pub fn submit(spec: TaskSpec) -> Submit {
    Submit { spec, max_pending: 100, max_at_work: 0, now: NOW }
}

fn text(seq: u64) -> String {
    format!("{{\"seq\":{seq}}}")
}

fn events(seqs: std::ops::RangeInclusive<u64>) -> EventBatch {
    let mut builder = BatchBuilder::new(*seqs.start());
    for seq in seqs {
        builder.push(|bytes| bytes.put_slice(text(seq).as_bytes()));
    }
    builder.take()
}

fn encoded(seqs: std::ops::RangeInclusive<u64>) -> Vec<EncodedEvent> {
    seqs.map(|seq| EncodedEvent { seq, json: text(seq).into() }).collect()
}

/// The command that adds events to a claimed task.
pub fn append(claimed: &Claimed, seqs: std::ops::RangeInclusive<u64>) -> Append {
    Append {
        task_id: claimed.task.spec.task_id.clone(),
        token: claimed.token,
        events: events(seqs),
        progress: Progress { turns: 1, ..Progress::default() },
        cost_usd: 0.25,
        conversation: None,
        now: NOW,
    }
}

fn finish_with(task: TaskId, token: Option<LeaseToken>, seq: u64, ending: Ending) -> Finish {
    let outcome = Outcome { ending, summary: "done".into(), errors: vec![], total_cost_usd: 0.5 };
    let progress = Progress { turns: 1, ..Progress::default() };
    Finish { task_id: task, token, events: events(seq..=seq), progress, outcome, now: NOW }
}

fn put_back(claimed: &Claimed, seq: u64, reason: WaitReason, until: Timestamp) -> PutBack {
    PutBack {
        append: append(claimed, seq..=seq),
        waiting: Waiting { reason, until },
        failed: false,
        question: None,
    }
}

/// A ticket that was not used before.
pub fn ticket() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Claims a task that has to be there.
pub async fn claim(store: &dyn Store, now: Timestamp) -> Claimed {
    match store.claim(ticket(), now).await.expect("available") {
        Claim::Task(claimed) => *claimed,
        Claim::Nothing { until } => unreachable!("nothing to claim until {until:?}"),
    }
}

/// Whether there is nothing to claim.
async fn nothing(store: &dyn Store, now: Timestamp) -> bool {
    matches!(store.claim(ticket(), now).await, Ok(Claim::Nothing { .. }))
}

/// Submits a task and claims it.
pub async fn submit_and_claim(store: &dyn Store, task: &str) -> Claimed {
    store.submit(submit(spec(task))).await.expect("admitted");
    claim(store, NOW).await
}

/// Ends a claimed task with the event `seq`, and releases its session.
pub async fn finish(store: &dyn Store, claimed: &Claimed, seq: u64) {
    finish_as(store, claimed, seq, Ending::Completed).await;
}

async fn finish_as(store: &dyn Store, claimed: &Claimed, seq: u64, ending: Ending) {
    let task = claimed.task.spec.task_id.clone();
    store.finish(finish_with(task, Some(claimed.token), seq, ending)).await.expect("finished");
    store.release(release(claimed, None)).await.expect("released");
}

fn release(claimed: &Claimed, conversation: Option<ConversationId>) -> Release {
    Release { session_id: claimed.task.session_id.clone(), token: claimed.token, conversation, now: NOW }
}

/// Reads a task's whole log.
async fn read_all(store: &dyn Store, task: &str) -> (Vec<EncodedEvent>, bool) {
    let mut read: Vec<EncodedEvent> = Vec::new();
    loop {
        let after = read.last().map_or(0, |event| event.seq);
        let page = store.read(&id(task), after).await.expect("available").expect("there");
        let more = !page.events.is_empty();
        read.extend(page.events);
        if page.complete || !more {
            return (read, page.complete);
        }
    }
}

/// Runs the whole suite, each case on a store of its own.
pub async fn run<B: Backend>(new: impl AsyncFn() -> B) {
    submissions::run(&new).await;
    scheduling::run(&new).await;
    sessions::run(&new).await;
    leases::run(&new).await;
    listing::run(&new).await;
    log::run(&new).await;
    feed::run(&new).await;
    keeping::run(&new).await;
    crashes::run(&new).await;
}

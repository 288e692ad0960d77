//! What every backend does.

use std::path::PathBuf;

use async_trait::async_trait;
use domain::{ConversationId, LeaseToken, Outcome, Progress, SessionId, TaskId, TaskSpec, Timestamp};
use tokio::sync::watch;

use crate::{Claimed, Counts, EncodedEvent, LogPage, SessionRecord, Signal, Submitted, TaskRecord};

/// The storage did not do what was asked; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the storage is not available: {0}")]
pub struct StoreError(pub String);

/// Admit a task.
#[derive(Debug, Clone)]
pub struct Submit {
    /// The task.
    pub spec: TaskSpec,
    /// Most tasks that may wait.
    pub max_pending: usize,
    /// Now.
    pub now: Timestamp,
}

/// Why a task was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As many tasks wait as may.
    #[error("{waiting} tasks wait already")]
    QueueFull {
        /// How many.
        waiting: usize,
    },
    /// The id belongs to a task with another body.
    #[error("the task id is taken by a task with another body")]
    IdTaken,
    /// The session to reuse does not exist.
    #[error("there is no session {0}")]
    SessionUnknown(SessionId),
    /// The session to reuse belongs to another workspace.
    #[error("the session belongs to the workspace {}", .0.display())]
    SessionWorkspaceDiffers(PathBuf),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Add events to a running task and update its counters.
#[derive(Debug, Clone)]
pub struct Append {
    /// The task.
    pub task_id: TaskId,
    /// The lease under which it runs.
    pub token: LeaseToken,
    /// The events; the first follows the log's last without a hole.
    pub events: Vec<EncodedEvent>,
    /// The counters after them.
    pub progress: Progress,
    /// Now.
    pub now: Timestamp,
}

/// End a task.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The task.
    pub task_id: TaskId,
    /// The lease under which it runs; `None` ends a task that still waits.
    pub token: Option<LeaseToken>,
    /// Its last events, `complete` at their end.
    pub events: Vec<EncodedEvent>,
    /// The final counters.
    pub progress: Progress,
    /// How it ended.
    pub outcome: Outcome,
    /// Now.
    pub now: Timestamp,
}

/// Why events were refused. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The writer no longer holds the task: it must stop.
    #[error("the task is no longer held under this lease")]
    Fenced,
    /// The events do not follow the log.
    #[error("the log ends at {tail}, so the next event is not {first}")]
    Sequence {
        /// Last event of the log.
        tail: u64,
        /// First of the refused ones.
        first: u64,
    },
    /// The task has as many bytes of events as one may have. It can still be ended.
    #[error("the task's log is full: a task may have {limit} bytes of events")]
    LogFull {
        /// Most bytes of a task's events.
        limit: u64,
    },
    /// There is no such task.
    #[error("there is no such task")]
    Unknown,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Give a session back after its agent's process is gone.
#[derive(Debug, Clone)]
pub struct Release {
    /// The session.
    pub session_id: SessionId,
    /// The lease that held it.
    pub token: LeaseToken,
    /// The conversation that the next task can resume; `None` leaves what was known.
    pub conversation: Option<ConversationId>,
    /// Now.
    pub now: Timestamp,
}

/// What a request to stop a task met.
#[derive(Debug, Clone, PartialEq)]
pub enum Interrupted {
    /// It waits: the caller may finish it without a lease.
    Pending(TaskRecord),
    /// It runs: the request is recorded and its worker woken.
    Running(TaskRecord),
}

/// Why a task cannot be stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterruptError {
    /// There is no such task.
    #[error("there is no such task")]
    Unknown,
    /// It has ended.
    #[error("the task has already ended")]
    Ended,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a session cannot be deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteError {
    /// There is no such session.
    #[error("there is no such session")]
    Unknown,
    /// These tasks run or wait in it.
    #[error("tasks run or wait in the session")]
    Busy(Vec<TaskId>),
    /// An agent's process still holds it.
    #[error("an agent still holds the session")]
    Held,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The event log, the queue and the sessions. Each method is one atomic command or one consistent read.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether what is stored outlives the server's process.
    fn is_durable(&self) -> bool;

    /// Admits a task. The same id with the same fingerprint gives the existing task.
    async fn submit(&self, command: Submit) -> Result<Submitted, SubmitError>;

    /// Hands the longest waiting task whose session nobody holds to a worker, and the session with it.
    async fn claim(&self, now: Timestamp) -> Result<Option<Claimed>, StoreError>;

    /// Adds events to a running task.
    async fn append(&self, command: Append) -> Result<(), CommitError>;

    /// Ends a task. Its session stays held until the release.
    async fn finish(&self, command: Finish) -> Result<(), CommitError>;

    /// Gives a session back. Releasing under an outdated lease changes nothing.
    async fn release(&self, command: Release) -> Result<(), StoreError>;

    /// Records the wish to stop a task and wakes its worker.
    async fn request_interrupt(&self, task: &TaskId, now: Timestamp) -> Result<Interrupted, InterruptError>;

    /// A task.
    async fn task(&self, task: &TaskId) -> Result<Option<TaskRecord>, StoreError>;

    /// The ids of all tasks that have not ended, oldest first.
    async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError>;

    /// How much goes on.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// All sessions, oldest first.
    async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError>;

    /// Forgets a session that nothing runs or waits in.
    async fn delete_session(&self, session: &SessionId) -> Result<(), DeleteError>;

    /// The events of a task after a cursor: all, or as many as make a page. `None` when there is no such task.
    async fn read(&self, task: &TaskId, after: u64) -> Result<Option<LogPage>, StoreError>;

    /// Wake-ups of one task. `None` when there is no such task. What was signalled before counts as seen: look at the
    /// signal, or at the task, before waiting for a change.
    async fn watch(&self, task: &TaskId) -> Result<Option<watch::Receiver<Signal>>, StoreError>;

    /// Wake-ups of the queue: changes whenever a claim may succeed that did not before.
    fn watch_queue(&self) -> watch::Receiver<u64>;
}

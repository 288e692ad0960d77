//! The commands and why they are refused.

use std::path::PathBuf;

use domain::{
    ConversationId, LeaseToken, Outcome, Principal, Progress, Question, SessionId, TaskId, TaskSpec,
    TaskStatus, Timestamp,
};

use crate::{EventBatch, TaskRecord, Waiting};

/// The storage did not do what was asked, or does not say that it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the storage is not available: {0}")]
pub struct StoreError(pub String);

/// Admit a task.
#[derive(Debug, Clone)]
pub struct Submit {
    /// The task.
    pub spec: TaskSpec,
    /// Most tasks that may wait for their first turn. Twice as many may wait all in all, parked ones included.
    pub max_pending: usize,
    /// Most tasks that are at work here at once. Those that wait for nothing but to be claimed, while so many are not, do not count.
    pub max_at_work: usize,
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
    /// The session that the task is to get is there already, although the task is not: it was deleted, or the session was made by
    /// itself.
    #[error("the session {0} is there already")]
    SessionTaken(SessionId),
    /// The session to go on from does not exist.
    #[error("there is no session {0}")]
    SessionUnknown(SessionId),
    /// The session to go on from belongs to another workspace.
    #[error("the session belongs to the workspace {}", .0.display())]
    SessionWorkspaceDiffers(PathBuf),
    /// The session is busy with these tasks, and the caller does not want to wait.
    #[error("tasks run or wait in the session")]
    SessionBusy(Vec<TaskId>),
    /// The session to be forked has no conversation yet.
    #[error("the session {0} has no conversation yet that could be copied")]
    NothingToFork(SessionId),
    /// A task to wait for does not exist.
    #[error("there is no task {0} to depend on")]
    DependencyUnknown(TaskId),
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
    pub events: EventBatch,
    /// The counters after them.
    pub progress: Progress,
    /// What the task has cost so far, in US dollars.
    pub cost_usd: f64,
    /// The conversation that its agent writes; `None` leaves what was known.
    pub conversation: Option<ConversationId>,
    /// Now.
    pub now: Timestamp,
}

/// End a task.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The task.
    pub task_id: TaskId,
    /// The lease under which it runs; `None` ends a task that waits.
    pub token: Option<LeaseToken>,
    /// Its last events, `complete` at their end.
    pub events: EventBatch,
    /// The final counters.
    pub progress: Progress,
    /// How it ended.
    pub outcome: Outcome,
    /// Now.
    pub now: Timestamp,
}

/// Let a running task wait for another attempt.
#[derive(Debug, Clone)]
pub struct PutBack {
    /// What is added to its log and counters.
    pub append: Append,
    /// Why it waits, and how long.
    pub waiting: Waiting,
    /// Whether the attempt counts as failed.
    pub failed: bool,
    /// What it waits for the answer to.
    pub question: Option<Question>,
}

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// There is no such task.
    #[error("there is no such task")]
    UnknownTask,
    /// The task has asked no such question.
    #[error("the task has asked no such question")]
    UnknownQuestion,
    /// The question has another answer already.
    #[error("the question has another answer already")]
    AlreadyAnswered,
    /// The task has ended.
    #[error("the task has already ended")]
    Ended(TaskStatus),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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

/// Give a session back: its agent's process is gone, or waits for the session's next task.
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
    Waiting(TaskRecord),
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
    Ended(TaskStatus),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a task cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such task.
    #[error("there is no such task")]
    Unknown,
    /// It runs, or has ended: only what waits can be changed.
    #[error("the task does not wait")]
    NotWaiting(TaskStatus),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a task cannot be deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteTaskError {
    /// There is no such task.
    #[error("there is no such task")]
    Unknown,
    /// It has not ended.
    #[error("the task has not ended")]
    NotEnded(TaskStatus),
    /// A task that waits depends on it.
    #[error("a task that waits depends on it")]
    Needed,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Make a session before its first task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSession {
    /// Its id.
    pub id: SessionId,
    /// Who owns it.
    pub principal: Principal,
    /// Where it belongs; that of the session to be forked, if there is one.
    pub workspace: Option<PathBuf>,
    /// The session whose conversation it begins with a copy of.
    pub fork: Option<SessionId>,
    /// Now.
    pub now: Timestamp,
}

/// Why a session cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateSessionError {
    /// There is one with that id.
    #[error("the session id is taken")]
    IdTaken,
    /// There is no session to be forked.
    #[error("there is no session {0}")]
    ForkUnknown(SessionId),
    /// The session to be forked has no conversation yet.
    #[error("the session {0} has no conversation yet that could be copied")]
    NothingToFork(SessionId),
    /// Neither a workspace nor a session to be forked was named.
    #[error("a session needs a workspace")]
    NoWorkspace,
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
    /// These sessions are to begin with a copy of its conversation, and have not begun.
    #[error("forks of the session have not begun")]
    Forked(Vec<SessionId>),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

//! What a backend keeps: rows, and the bytes of events. [`crate::Core`] decides what goes into them.

use std::path::PathBuf;

use bytes::Bytes;
use domain::{ConversationId, LeaseToken, Principal, SessionId, SessionStatus, TaskId, Timestamp};

use crate::{EndedPlace, EventBatch, SessionRecord, StoreError, TaskRecord};

/// A task as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// Counts tasks up in the order of their admission.
    pub number: u64,
    /// What is told of it.
    pub record: TaskRecord,
    /// The lease under which it runs.
    pub token: Option<LeaseToken>,
    /// What it weighs: its prompt, its events, its outcome.
    pub bytes: u64,
}

/// A session as it is kept. Its tasks are those that name it and were admitted since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Counts sessions up in the order of their creation.
    pub number: u64,
    /// Who owns it.
    pub principal: Principal,
    /// Its workspace.
    pub workspace: PathBuf,
    /// What its next task resumes.
    pub conversation: Option<ConversationId>,
    /// What its first task begins with a copy of.
    pub fork_from: Option<ConversationId>,
    /// The lease that holds it.
    pub holder: Option<LeaseToken>,
    /// When it began.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub last_activity: Timestamp,
}

impl From<SessionRow> for SessionRecord {
    /// What is told of a session without tasks.
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            principal: row.principal,
            workspace: row.workspace,
            tasks: Vec::new(),
            status: if row.holder.is_some() { SessionStatus::Active } else { SessionStatus::Idle },
            conversation: row.conversation,
            created_at: row.created_at,
            last_activity: row.last_activity,
        }
    }
}

/// An ended task, as far as the retention goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedTask {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub id: TaskId,
    /// Its session; `None` when that was deleted: one that has its name now is another one.
    pub session: Option<SessionId>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it weighs.
    pub bytes: u64,
}

impl EndedTask {
    /// Its place among those that have ended.
    pub fn place(&self) -> EndedPlace {
        EndedPlace { at: self.ended_at, number: self.number, task: self.id.clone() }
    }
}

/// How far the counters are. They never go back, whatever is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Number of the last task.
    pub task: u64,
    /// Number of the last session.
    pub session: u64,
    /// Place of the feed's last entry.
    pub position: u64,
    /// How often the store was opened: leases of earlier times are stale.
    pub opened: u32,
}

/// Rows and bytes. Writes are part of the transaction that the backend has open; an error makes it roll back all of it.
pub trait Tables: Send {
    /// Counts one more opening, durably, and tells how far the counters are.
    fn open(&mut self) -> Result<Counters, StoreError>;
    /// All tasks that have not ended, by number.
    fn open_tasks(&mut self) -> Result<Vec<TaskRow>, StoreError>;
    /// All sessions that are held.
    fn held_sessions(&mut self) -> Result<Vec<SessionRow>, StoreError>;
    /// A task.
    fn task(&mut self, id: &TaskId) -> Result<Option<TaskRow>, StoreError>;
    /// Adds a task.
    fn insert_task(&mut self, row: &TaskRow) -> Result<(), StoreError>;
    /// Writes everything of a task that can change, except its questions: they are large, and seldom change.
    fn update_task(&mut self, row: &TaskRow) -> Result<(), StoreError>;
    /// Writes what was asked for, which changes when somebody makes a waiting task more urgent.
    fn update_spec(&mut self, row: &TaskRow) -> Result<(), StoreError>;
    /// Writes a task's questions.
    fn update_questions(&mut self, row: &TaskRow) -> Result<(), StoreError>;
    /// Adds events; the last of them gets that place in the feed.
    fn add_events(&mut self, row: &TaskRow, last: u64, events: &EventBatch) -> Result<(), StoreError>;
    /// Adds a notice to the feed only.
    fn add_notice(&mut self, row: &TaskRow, position: u64, notice: Bytes) -> Result<(), StoreError>;
    /// A session.
    fn session(&mut self, id: &SessionId) -> Result<Option<SessionRow>, StoreError>;
    /// A session's last task.
    fn last_task(&mut self, id: &SessionId) -> Result<Option<TaskRow>, StoreError>;
    /// The sessions that are to begin with a copy of a conversation, and have not begun.
    fn forks_of(&mut self, conversation: ConversationId) -> Result<Vec<SessionId>, StoreError>;
    /// Sessions without tasks in which nothing happened since then and that nobody is to fork, at most so many; those first in which
    /// nothing happened for longest.
    fn empty_sessions(&mut self, since: Timestamp, most: usize) -> Result<Vec<SessionId>, StoreError>;
    /// Adds a session or writes all of it.
    fn put_session(&mut self, row: &SessionRow) -> Result<(), StoreError>;
    /// Forgets a session. Tasks that name it stay, and belong to none.
    fn delete_session(&mut self, id: &SessionId) -> Result<(), StoreError>;
    /// Everything that is told of all sessions, oldest first.
    fn sessions(&mut self) -> Result<Vec<SessionRecord>, StoreError>;
    /// How many ended tasks there are, and what they weigh.
    fn ended_weight(&mut self) -> Result<(u64, u64), StoreError>;
    /// The task that ended first, or first after that one.
    fn next_ended(&mut self, after: Option<&EndedPlace>) -> Result<Option<EndedTask>, StoreError>;
    /// Forgets a task and its events, and writes down how far the counters are.
    fn drop_task(&mut self, task: &EndedTask, counters: Counters) -> Result<(), StoreError>;
}

//! What a store tells.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use domain::{
    ConversationId, LeaseToken, Outcome, Progress, SessionId, SessionStatus, TaskId, TaskSpec, TaskStatus,
    Timestamp,
};

/// An event as the bytes that are stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Its number within the task, from 1, without holes.
    pub seq: u64,
    /// The whole event as JSON.
    pub json: Bytes,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// What was asked for.
    pub spec: Arc<TaskSpec>,
    /// Its conversation.
    pub session_id: SessionId,
    /// Its status.
    pub status: TaskStatus,
    /// Its counters.
    pub progress: Progress,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// When an agent took it.
    pub started_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Number of its last event; 0 before the first.
    pub tail: u64,
    /// When somebody asked to stop it.
    pub interrupt_requested_at: Option<Timestamp>,
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Its workspace.
    pub workspace: PathBuf,
    /// Its tasks, oldest first.
    pub tasks: Vec<TaskId>,
    /// Active while an agent holds it.
    pub status: SessionStatus,
    /// When it began.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub last_activity: Timestamp,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The task: the new one, or the one that an earlier, equal submission made.
    pub task: TaskRecord,
    /// Whether it is new.
    pub created: bool,
}

/// A task that a worker may now run, and the conversation it holds until the release.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Fences every write of this worker.
    pub token: LeaseToken,
    /// The task, now running.
    pub task: TaskRecord,
    /// The conversation to resume; `None` when there is none yet.
    pub conversation: Option<ConversationId>,
}

/// Some events of a task, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The events after the cursor.
    pub events: Vec<EncodedEvent>,
    /// Whether the task has ended and `events` reaches its last event.
    pub complete: bool,
}

/// How much goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tasks that wait.
    pub waiting: usize,
    /// Tasks at work.
    pub running: usize,
    /// Sessions that an agent holds: for a moment longer than their task runs.
    pub active_sessions: usize,
}

/// A wake-up: tells that something may be new, never what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signal {
    /// Number of the last committed event.
    pub tail: u64,
    /// Whether the task has ended.
    pub ended: bool,
    /// Whether somebody asked to stop it.
    pub interrupt_requested: bool,
}

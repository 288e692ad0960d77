//! What a store tells.

use std::path::PathBuf;
use std::sync::Arc;

use domain::{
    ConversationId, LeaseToken, Outcome, Principal, Progress, Questions, SessionId, SessionStatus, TaskId,
    TaskSpec, TaskStatus, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::EncodedEvent;

/// Why a task that has begun waits without an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The model API takes no requests for a while.
    RateLimit,
    /// An attempt failed, and another one follows.
    Retry,
    /// The server that ran it is gone, or its agent made no progress; the turn was cut off.
    CutOff,
    /// The agent has asked something that a person is to answer.
    Answer,
}

/// A task that has begun and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Why.
    pub reason: WaitReason,
    /// Not before then.
    pub until: Timestamp,
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
    /// Number of the attempt at work; 0 before the first.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// Why it waits, although it has begun.
    pub waiting: Option<Waiting>,
    /// What its agents asked.
    pub questions: Questions,
    /// The CLI's name of the conversation that its last attempt has written.
    pub conversation: Option<ConversationId>,
    /// Its counters.
    pub progress: Progress,
    /// What it has cost so far, in US dollars.
    pub cost_usd: f64,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// When an agent first took it.
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
    /// Who owns it.
    pub principal: Principal,
    /// Its workspace.
    pub workspace: PathBuf,
    /// Its tasks, oldest first.
    pub tasks: Vec<TaskId>,
    /// Active while an agent works in it.
    pub status: SessionStatus,
    /// The CLI's name of its conversation, once there is one.
    pub conversation: Option<ConversationId>,
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
    /// The conversation to begin with a copy of, when there is none to resume.
    pub fork_from: Option<ConversationId>,
    /// Why the attempt before this one ended.
    pub after: Option<WaitReason>,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// A task.
    Task(Box<Claimed>),
    /// None can run now.
    Nothing {
        /// When one may, if nothing else happens.
        until: Option<Timestamp>,
    },
}

/// A waiting task that is to be ended without an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Doomed {
    /// The task.
    pub task: TaskRecord,
    /// Why.
    pub reason: Doom,
}

/// Why a waiting task will not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doom {
    /// Somebody asked to stop it.
    InterruptRequested,
    /// A task that it depends on ended without having completed.
    DependencyEnded(TaskId, TaskStatus),
}

/// A session that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedSession {
    /// What it was called.
    pub id: SessionId,
    /// Who owned it.
    pub principal: Principal,
    /// The CLI's name of its conversation.
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
    /// Tasks that have not begun, although their time has come and what they depend on has completed.
    pub waiting: usize,
    /// Tasks that have not begun and cannot yet: their `start_at` lies ahead, or they depend on tasks that have not ended.
    pub scheduled: usize,
    /// Tasks at work.
    pub running: usize,
    /// Tasks that have begun and wait.
    pub parked: usize,
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

/// Which entries of the feed a reader wants. What is left out restricts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedFilter {
    /// Of this owner.
    pub principal: Option<Principal>,
    /// Of this task.
    pub task: Option<TaskId>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Of tasks in this workspace.
    pub workspace: Option<PathBuf>,
    /// Of tasks that had one of these statuses after the entry; empty for all.
    pub statuses: Vec<TaskStatus>,
}

/// An entry of the feed of all tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its place in the feed: grows, may have gaps.
    pub position: u64,
    /// The event or status notice, as JSON.
    pub json: bytes::Bytes,
}

/// Some entries of the feed, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// The entries after the cursor that fit the filter.
    pub entries: Vec<FeedEntry>,
    /// Where to read on.
    pub cursor: u64,
}

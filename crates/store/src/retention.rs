//! How much is kept.

use std::time::Duration;

use domain::{TaskId, Timestamp};

use crate::DeletedSession;

/// How much is kept of what has ended. What runs or waits is never dropped, nor what a waiting task depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So long an ended task is kept whatever the other limits say: its readers are still at it.
    pub min_age: Duration,
    /// How long ended tasks are kept; `None` for ever.
    pub max_age: Option<Duration>,
    /// Most ended tasks.
    pub max_tasks: u64,
    /// Most bytes of prompts, events and outcomes of ended tasks. The newest is kept even when it alone is larger.
    pub max_bytes: u64,
}

impl Retention {
    /// Keeps everything.
    pub const ALL: Self =
        Self { min_age: Duration::ZERO, max_age: None, max_tasks: u64::MAX, max_bytes: u64::MAX };
}

/// Most ended tasks that are passed over in one go, because they are still needed: while it lasts, nothing else is written.
pub const PASSED_OVER_AT_ONCE: usize = 128;

/// The place of a task among those that have ended: by when that was, and then by number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedPlace {
    /// When it ended.
    pub at: Timestamp,
    /// Its number.
    pub number: u64,
    /// Its id.
    pub task: TaskId,
}

/// What was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dropped {
    /// How many tasks.
    pub tasks: usize,
    /// Sessions that nothing is left of: their agents and transcripts can be removed.
    pub sessions: Vec<DeletedSession>,
    /// After which task to look on, when not all were looked at that are beyond what is to be kept.
    pub next: Option<EndedPlace>,
}

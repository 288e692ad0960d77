//! How much is kept.

use std::time::Duration;

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

/// What was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dropped {
    /// How many tasks.
    pub tasks: usize,
    /// Sessions that nothing is left of: their agents and transcripts can be removed.
    pub sessions: Vec<DeletedSession>,
}

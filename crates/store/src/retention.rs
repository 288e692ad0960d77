//! How much is kept.

use std::time::Duration;

use domain::{ConversationId, Principal};

/// How much is kept of what has ended. What runs or waits is never dropped, nor what a waiting task depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long ended tasks are kept; `None` for ever.
    pub max_age: Option<Duration>,
    /// Most ended tasks.
    pub max_tasks: u64,
    /// Most bytes of prompts, events and outcomes of ended tasks. The newest is kept even when it alone is larger.
    pub max_bytes: u64,
}

impl Retention {
    /// Keeps everything.
    pub const ALL: Self = Self { max_age: None, max_tasks: u64::MAX, max_bytes: u64::MAX };
}

/// What was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dropped {
    /// How many tasks.
    pub tasks: usize,
    /// Conversations of sessions that nothing is left of: their transcripts can be removed.
    pub conversations: Vec<(Principal, ConversationId)>,
}

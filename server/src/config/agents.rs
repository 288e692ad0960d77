//! How long agents live.

use std::time::Duration;

use engine::Recycling;

use super::variables::Reader;

/// How many agents are kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgentLife {
    /// How long one waits for its session's next task.
    pub(crate) idle_timeout: Duration,
    /// How often is looked for those that have waited for too long.
    pub(crate) cleanup_interval: Duration,
    /// How many are ready before anybody needs them.
    pub(crate) prewarm: usize,
    /// When one is replaced.
    pub(crate) recycling: Recycling,
    /// How long one may be silent without a tool at work until it counts as stalled.
    pub(crate) stall_after: Duration,
}

impl AgentLife {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let mut seconds = |name, default| Duration::from_secs(read.count(name, default));
        let idle_timeout = seconds("SESSION_IDLE_TIMEOUT_SECONDS", 1800);
        let cleanup_interval = seconds("SESSION_CLEANUP_INTERVAL_SECONDS", 300);
        let max_age = seconds("SESSION_AGENT_MAX_AGE_SECONDS", 4 * 3600);
        let stall_after = seconds("TASK_STALL_AFTER_SECONDS", 300);
        let megabytes: u64 = read.count("SESSION_AGENT_MAX_MEMORY_MB", 1024);
        Self {
            idle_timeout,
            cleanup_interval,
            prewarm: read.count("SESSION_PREWARM", 0),
            recycling: Recycling {
                max_age,
                max_tasks: read.count("SESSION_AGENT_MAX_TASKS", 100),
                max_memory_bytes: megabytes << 20,
            },
            stall_after,
        }
    }
}

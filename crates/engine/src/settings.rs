//! What can be set.

use std::time::Duration;

use agent::AgentSpec;
use store::Retention;

/// When a process is not kept any longer, although it could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recycling {
    /// Oldest.
    pub max_age: Duration,
    /// Most tasks that it takes.
    pub max_tasks: u32,
    /// Most bytes of memory of it and what it started.
    pub max_memory_bytes: u64,
}

impl Default for Recycling {
    fn default() -> Self {
        // A process of the CLI begins with some 200 MB and grows by 4 MB a turn.
        Self { max_age: Duration::from_secs(4 * 3600), max_tasks: 100, max_memory_bytes: 1 << 30 }
    }
}

/// The engine's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Most agents alive at once; further tasks wait.
    pub max_agents: usize,
    /// Most tasks that may wait.
    pub max_pending: usize,
    /// At shutdown, running tasks may go on for this long before they are interrupted.
    pub drain: Duration,
    /// How long an agent waits for its session's next task; zero when none does.
    pub idle_timeout: Duration,
    /// How often is looked for what has become too old.
    pub cleanup_interval: Duration,
    /// Agents that are kept ready for new sessions.
    pub prewarm: usize,
    /// What those are started with.
    pub prewarmed: Option<AgentSpec>,
    /// When an agent is replaced.
    pub recycling: Recycling,
    /// How long an agent may be silent, while no tool of it works, until it counts as stalled.
    pub stall_after: Duration,
    /// What is kept of tasks that have ended.
    pub retention: Retention,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_agents: 10,
            max_pending: 100,
            drain: Duration::ZERO,
            idle_timeout: Duration::from_secs(1800),
            cleanup_interval: Duration::from_secs(300),
            prewarm: 0,
            prewarmed: None,
            recycling: Recycling::default(),
            stall_after: Duration::from_secs(300),
            retention: Retention::ALL,
        }
    }
}

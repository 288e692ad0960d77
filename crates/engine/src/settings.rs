//! What can be set.

use std::time::Duration;

/// The engine's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Most agents alive at once; further tasks wait.
    pub max_agents: usize,
    /// Most tasks that may wait.
    pub max_pending: usize,
    /// At shutdown, running tasks may go on for this long before they are interrupted.
    pub drain: Duration,
}

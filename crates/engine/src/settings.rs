//! What can be set.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

/// Which folders agents may work in, links resolved. A task may have been admitted by a server with others.
#[derive(Clone)]
pub struct Folders(Arc<dyn Fn(&Path) -> bool + Send + Sync>);

impl Folders {
    /// Those that it is true for.
    pub fn new(hold: impl Fn(&Path) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(hold))
    }

    /// Those of a task in which it may not work.
    pub(crate) fn forbidden<'a>(&self, spec: &'a AgentSpec) -> Option<&'a Path> {
        let folders = std::iter::once(&spec.working_directory).chain(&spec.more.add_dirs);
        folders.map(PathBuf::as_path).find(|folder| !self.0(folder))
    }
}

impl fmt::Debug for Folders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Folders")
    }
}

impl Default for Folders {
    fn default() -> Self {
        Self::new(|_| true)
    }
}

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most agents alive at once; further tasks wait.
    pub max_agents: usize,
    /// Most tasks that may wait.
    pub max_pending: usize,
    /// At shutdown, running tasks may go on for this long before they are interrupted.
    pub drain: Duration,
    /// How long an agent waits for its session's next task; zero when none does.
    pub idle_timeout: Duration,
    /// Where agents may work.
    pub folders: Folders,
    /// How often is looked for what has become too old.
    pub cleanup_interval: Duration,
    /// Agents that are kept ready for new sessions.
    pub prewarm: usize,
    /// Whether git workspaces are looked at for what commands change in them. That takes a thread.
    pub looks_at_workspaces: bool,
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
            folders: Folders::default(),
            cleanup_interval: Duration::from_secs(300),
            prewarm: 0,
            looks_at_workspaces: false,
            prewarmed: None,
            recycling: Recycling::default(),
            stall_after: Duration::from_secs(300),
            retention: Retention::ALL,
        }
    }
}

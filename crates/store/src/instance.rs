//! Servers that share a store.

use std::path::PathBuf;
use std::time::Duration;

use domain::{InstanceLabel, LeaseToken, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// Whether a server may go on with what it was handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// It may, under tokens above this one. Those up to it are of an earlier lease, and stale.
    Held {
        /// The last token before the lease began.
        above: LeaseToken,
    },
    /// Its lease has ended: another server may have taken over what it ran, so its agents have to end. See
    /// [`crate::Store::rejoin`].
    Lost,
}

impl LeaseState {
    /// Whether what was handed out under the token may go on.
    #[must_use]
    pub fn covers(self, token: LeaseToken) -> bool {
        matches!(self, Self::Held { above } if token > above)
    }
}

/// Time since the machine was started. Unlike [`std::time::Instant`] it passes while the machine is suspended, as leases do.
#[must_use]
pub fn boot_time() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let [seconds, nanoseconds] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

/// What became of a message to a task's worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The store is this server's alone: whoever is at work is here.
    NotShared,
    /// The server that runs the task takes it.
    ForItsWorker,
    /// No server runs the task.
    NotAtWork,
    /// Too many messages wait there.
    TooMany,
}

/// A caller's request, counted by all servers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How many more it may make now.
    pub left: u32,
    /// Until it may make all of them again.
    pub reset: Duration,
    /// How long it has to wait for this one, if it was one too many; then it does not count.
    pub wait: Option<Duration>,
}

/// A server that works on a shared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// Names this start of the server.
    pub id: String,
    /// What its operator calls it; the same after a restart.
    pub name: String,
    /// What its operator says of it, for tasks to choose by.
    pub labels: Vec<InstanceLabel>,
    /// Where the workspaces are that it can reach.
    pub workspace_roots: Vec<PathBuf>,
    /// When it began, by the clock of the store.
    pub started_at: Timestamp,
    /// When it last renewed its lease, by the clock of the store.
    pub last_heartbeat: Timestamp,
    /// Tasks at work.
    pub running: usize,
    /// Whether it is handed nothing more.
    pub draining: bool,
    /// Whether its lease holds. What one without a lease ran is to be taken over.
    pub alive: bool,
}

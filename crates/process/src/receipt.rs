//! How a child is ended, and the account of it.

use std::time::Duration;

/// How a child ended: by exit code or by signal. Both are `None` when somebody else reaped it, which happens
/// only if the server process ignores `SIGCHLD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exit {
    /// The exit code, if it exited.
    pub code: Option<i32>,
    /// The number of the signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// What holds the processes of a child together until they are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Containment {
    /// A control group: nothing leaves it, and the kernel kills it whole.
    Cgroup,
    /// The process table: descendants are found by parentage, session, marker and the pipes they hold. A process
    /// escapes if its parents are dead, and it left their session, its environment and its streams behind.
    ProcessTable,
}

/// Rungs after whatever the caller tried by its own protocol: wait up to `exit_grace` for the child to exit
/// (the caller has closed its stdin), send `SIGTERM` to its group and wait up to `term_grace`, then kill the
/// whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// How long the child may take to exit by itself. Zero terminates it at once.
    pub exit_grace: Duration,
    /// How long it may take after `SIGTERM`. Zero kills it right after the signal.
    pub term_grace: Duration,
}

/// One way of ending a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rung {
    /// Waiting for it to exit by itself.
    ExitedAlone,
    /// `SIGTERM` to its process group.
    Terminated,
    /// `SIGKILL` to its whole tree.
    Killed,
}

/// One rung that was climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RungReport {
    /// Which rung.
    pub rung: Rung,
    /// Time spent on it.
    pub took: Duration,
}

/// The account of a child's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// How the child itself ended; `None` if it outlived even `SIGKILL` (stuck in the kernel).
    pub exit: Option<Exit>,
    /// The rungs climbed, in order. The child ended on the last one; a child that ended before anybody asked
    /// has the single rung [`Rung::ExitedAlone`] that took no time.
    pub rungs: Vec<RungReport>,
    /// From the first request to stop (or, without one, from the exit) until everything was cleared away.
    pub took: Duration,
    /// Processes that were sent `SIGKILL`: the child if it came to that, and all that it had left behind.
    pub processes_killed: usize,
    /// Processes of the tree that still run. Must be 0; anything else could not be killed and is reported.
    pub processes_left: usize,
    /// Somebody outside the reach of the kill still holds the child's stdout or stderr open, so no end of
    /// file comes: read on until [`Life::drain_deadline`](crate::Life::drain_deadline) at most.
    pub pipes_leaked: bool,
}

impl Receipt {
    /// For a child whose keeper was ended with its runtime: killed, but nothing measured.
    pub(crate) fn unwritten() -> Self {
        Self {
            exit: None,
            rungs: Vec::new(),
            took: Duration::ZERO,
            processes_killed: 0,
            processes_left: 0,
            pipes_leaked: false,
        }
    }
}

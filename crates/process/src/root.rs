//! The child process itself: the one at the root of its tree.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::cgroup::Group;
use crate::owner::Marker;
use crate::pipe_probe::PipeProbe;
use crate::proc_table::{self, Identity};
use crate::tree::{Claim, Toll, Tree};
use crate::{Containment, Exit, Vitals, own_children};

/// How long killing a tree may take. Only a process stuck in the kernel takes longer than milliseconds.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// How long a child may be hidden at its start, and how often it is looked for meanwhile.
const HIDDEN_LIMIT: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a child is watched by.
#[derive(Debug)]
pub(crate) struct Watch {
    identity: Identity,
    pid: Pid,
    pidfd: OwnedFd,
    /// Its stdout and stderr.
    pipes: [PipeProbe; 2],
}

impl Watch {
    /// For the child of this process with this `pid`, not yet reaped, and its pipes.
    pub(crate) fn of(pid: u32, stdout: impl AsFd, stderr: impl AsFd) -> io::Result<Self> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let identity = seen(pid)?;
        let pidfd = identity.open()?.ok_or_else(gone)?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        Ok(Self { identity, pid, pidfd, pipes: [PipeProbe::of(stdout)?, PipeProbe::of(stderr)?] })
    }
}

/// A child that was just forked. With `hidepid` it is hidden until the kernel has noted, a moment after it let the parent go on,
/// that the new program may be looked into, as a server that may only be executed may not.
fn seen(pid: u32) -> io::Result<Identity> {
    let hidden_since = Instant::now();
    loop {
        if let Some(row) = proc_table::row(pid)? {
            return Ok(row.identity);
        }
        if hidden_since.elapsed() > HIDDEN_LIMIT {
            return Err(io::Error::other(
                "/proc hides it: make its program readable for the server's user, or mount /proc without hidepid",
            ));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// A child that has not been reaped: until then its pid, its group and its session are certainly its own.
/// Dropping it kills the tree.
#[derive(Debug)]
pub(crate) struct Root {
    watch: Watch,
    tree: Mutex<Tree>,
    containment: Containment,
    reaped: AtomicBool,
}

impl Root {
    /// A child just forked, which from here on only this waits for.
    pub(crate) fn new(watch: Watch, marker: Marker, group: Option<Group>) -> Self {
        let containment = if group.is_some() { Containment::Cgroup } else { Containment::ProcessTable };
        let claim = Claim::Child { root: watch.identity, marker };
        let spared = HashSet::from([std::process::id()]);
        let tree = Mutex::new(Tree::new(claim, group.into_iter().collect(), spared));
        Self { watch, tree, containment, reaped: AtomicBool::new(false) }
    }

    pub(crate) fn containment(&self) -> Containment {
        self.containment
    }

    pub(crate) fn pid(&self) -> u32 {
        self.watch.identity.pid
    }

    /// Readable once the child has ended. The same descriptor as long as this lives.
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.watch.pidfd.as_fd()
    }

    /// How the child ended, if it has. It stays a zombie, so that its pid is not given to another process.
    pub(crate) fn peek(&self) -> Option<Exit> {
        self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
    }

    /// What the tree uses; `None` once the child has been reaped. Blocks for some milliseconds, or as long as a kill.
    pub(crate) fn vitals(&self) -> io::Result<Option<Vitals>> {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        tree.vitals(self.watch.identity)
    }

    /// Asks the child's group to end, also if it is stopped.
    pub(crate) fn terminate(&self) {
        for signal in [Signal::TERM, Signal::CONT] {
            if let Err(error) = kill_process_group(self.watch.pid, signal) {
                tracing::debug!(pid = self.pid(), ?signal, %error, "cannot signal the group of a child");
            }
        }
    }

    /// Kills what lives of the tree, and the child with it, and reaps the child: afterwards the pid is not ours any
    /// more. Blocks for milliseconds, 20 s at worst. There is no exit if the child is stuck in the kernel.
    pub(crate) fn finish(&self) -> (Toll, Option<Exit>) {
        (self.kill_tree(), self.reap())
    }

    fn kill_tree(&self) -> Toll {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        let toll = tree.kill(KILL_LIMIT);
        if toll.left > 0 {
            self.kill_group();
            return toll;
        }
        if !self.pipes_leaked() {
            return toll;
        }
        // Somebody got out of sight with the child's streams in hand.
        if let Err(error) = tree.take_in_writers(&self.watch.pipes) {
            tracing::warn!(pid = self.pid(), %error, "cannot find who holds the streams of a child");
        }
        tree.kill(KILL_LIMIT)
    }

    /// What can be done without the process table, which a server that is out of descriptors cannot read.
    fn kill_group(&self) {
        if let Err(error) = kill_process_group(self.watch.pid, Signal::KILL) {
            tracing::debug!(pid = self.pid(), %error, "cannot kill the group of a child");
        }
    }

    /// Whether anybody still writes to the child's stdout or stderr.
    pub(crate) fn pipes_leaked(&self) -> bool {
        self.watch.pipes.iter().any(|pipe| {
            pipe.has_writer().unwrap_or_else(|error| {
                tracing::warn!(pid = self.pid(), %error, "cannot tell whether a stream of a child is still held");
                false
            })
        })
    }

    /// Takes the zombie away, if the child is one.
    pub(crate) fn reap(&self) -> Option<Exit> {
        let mut own = own_children::lock();
        let exit = self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        if exit.is_some() {
            own.remove(&self.pid());
            self.reaped.store(true, Ordering::Relaxed);
        }
        exit
    }

    fn wait(&self, options: WaitIdOptions) -> Option<Exit> {
        match waitid(WaitId::PidFd(self.pidfd()), options) {
            Ok(status) => {
                status.map(|status| Exit { code: status.exit_status(), signal: status.terminating_signal() })
            }
            // Somebody else reaped it: it has ended, but nobody can say how.
            Err(rustix::io::Errno::CHILD) => Some(Exit { code: None, signal: None }),
            Err(error) => {
                tracing::warn!(pid = self.pid(), %error, "cannot wait for a child");
                None
            }
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if !self.reaped.load(Ordering::Relaxed) {
            self.finish();
        }
    }
}

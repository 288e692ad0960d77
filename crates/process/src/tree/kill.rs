//! Killing a tree to the last process.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::{Claim, Tree};
use crate::adopted;
use crate::proc_table::{self, Identity, Row};
use crate::stragglers;

/// Rounds of stopping before killing. Each round stops all that is found, so only what forked meanwhile is new.
const FREEZE_ROUNDS: usize = 16;
/// How long one round waits for killed processes to be gone before it looks again.
const ROUND_LIMIT: Duration = Duration::from_millis(500);
/// Pause after a scan that failed because the server is out of descriptors or memory.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Descriptors of dying processes held at once.
const HELD_PIDFDS: usize = 256;

/// What a kill came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Toll {
    pub(crate) killed: usize,
    pub(crate) left: usize,
}

impl Tree {
    /// Kills every member until a scan finds none. Ends some time after `limit` at the latest, but not before all that
    /// was found has been killed. Blocks; call it off the runtime.
    pub(crate) fn kill(&mut self, limit: Duration) -> Toll {
        let deadline = Instant::now() + limit;
        self.kill_groups();
        loop {
            match self.stopped(deadline) {
                Ok(members) if members.is_empty() => {
                    if let Claim::Child { marker, .. } = &self.claim {
                        stragglers::look_for(marker);
                    }
                    self.remove_groups();
                    return self.toll(0);
                }
                Ok(members) => self.kill_all(&members, deadline.min(Instant::now() + ROUND_LIMIT)),
                Err(error) => {
                    tracing::warn!(%error, "cannot read the process table, trying again");
                    std::thread::sleep(RETRY_PAUSE);
                }
            }
            if Instant::now() >= deadline {
                let left = self.scan(|_| {}).map_or(1, |members| members.len());
                return self.toll(left);
            }
        }
    }

    /// What lives of it, stopped as far as it can be.
    fn stopped(&mut self, deadline: Instant) -> io::Result<Vec<Row>> {
        match self.claim {
            Claim::Child { root, .. } if self.is_certainly_over(root)? => Ok(Vec::new()),
            _ => self.freeze(deadline),
        }
    }

    /// Told without the process table, as can be when a child has ended as it should: nothing lives in its group, nor of
    /// what was ever seen of it, and what left the group would have been adopted.
    fn is_certainly_over(&self, root: Identity) -> io::Result<bool> {
        if self.groups.is_empty() {
            return Ok(false);
        }
        for pid in self.grouped()? {
            if proc_table::row(pid)?.is_some_and(|row| row.is_alive()) {
                return Ok(false);
            }
        }
        for identity in self.known.iter().chain([&root]) {
            if identity.lives()? {
                return Ok(false);
            }
        }
        Ok(adopted::none_lives())
    }

    fn toll(&self, left: usize) -> Toll {
        Toll { killed: self.killed.len(), left }
    }

    /// Has the kernel kill the groups whole. What they held is counted as far as it could be seen before.
    fn kill_groups(&mut self) {
        for group in &self.groups {
            let members = group.members().unwrap_or_default().into_iter();
            let rows = members.filter_map(|pid| proc_table::row(pid).ok().flatten());
            self.killed.extend(rows.filter(Row::is_alive).map(|row| row.identity));
            if let Err(error) = group.kill() {
                tracing::warn!(?group, %error, "cannot kill a cgroup");
            }
        }
    }

    fn remove_groups(&self) {
        for group in &self.groups {
            if let Err(error) = group.remove() {
                tracing::warn!(?group, %error, "cannot remove an empty cgroup");
            }
        }
    }

    /// Stops members, each as soon as it is seen, until a scan finds no new one: what is stopped can neither fork out of
    /// the kill nor take the processor from it.
    fn freeze(&mut self, deadline: Instant) -> io::Result<Vec<Row>> {
        let mut frozen = HashSet::new();
        let mut round = 0;
        loop {
            let before = frozen.len();
            let members = self.scan(|identity| {
                if frozen.insert(identity) {
                    signal(identity, Signal::STOP);
                }
            })?;
            round += 1;
            if frozen.len() == before || round == FREEZE_ROUNDS || Instant::now() >= deadline {
                return Ok(members);
            }
        }
    }

    /// Sends `SIGKILL` to `members` and waits until they are gone or the deadline has come.
    fn kill_all(&mut self, members: &[Row], deadline: Instant) {
        let mut dying = Vec::new();
        for identity in members.iter().map(|row| row.identity) {
            let pidfd = signal(identity, Signal::KILL);
            self.killed.insert(identity);
            if dying.len() < HELD_PIDFDS {
                dying.extend(pidfd);
            }
        }
        if dying.is_empty() {
            std::thread::sleep(RETRY_PAUSE);
        }
        for pidfd in dying {
            wait_gone(&pidfd, deadline);
        }
    }
}

/// Signals exactly that process. The descriptor to wait on is `None` if it is gone or none can be had.
fn signal(identity: Identity, signal: Signal) -> Option<OwnedFd> {
    let sent = identity.open().and_then(|pidfd| {
        if let Some(pidfd) = &pidfd {
            proc_table::send(pidfd, signal)?;
        }
        Ok(pidfd)
    });
    sent.inspect_err(|error| {
        tracing::warn!(pid = identity.pid, ?signal, %error, "cannot signal a process of a tree");
    })
    .ok()
    .flatten()
}

/// Waits until the process behind `pidfd` has ended.
fn wait_gone(pidfd: &OwnedFd, deadline: Instant) {
    let remaining = deadline.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(remaining).ok();
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    // An interrupted or failed wait only means that the next scan comes sooner.
    if let Err(error) = poll(&mut fds, timeout.as_ref()) {
        tracing::debug!(%error, "cannot wait for a killed process");
    }
}

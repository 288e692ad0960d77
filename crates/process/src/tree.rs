//! Finding and killing everything that descends from a child, whatever session or group it moved to.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::cgroup::Group;
use crate::owner::Marker;
use crate::pipe_probe::PipeProbe;
use crate::proc_table::{self, Identity, Mark, Row};

/// Rounds of stopping before killing. Each round stops all that is found, so only what forked meanwhile is new.
const FREEZE_ROUNDS: usize = 16;
/// How long one round waits for killed processes to be gone before it looks again.
const ROUND_LIMIT: Duration = Duration::from_millis(500);
/// Pause after a scan that failed because the server is out of descriptors or memory.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Descriptors of dying processes held at once.
const HELD_PIDFDS: usize = 256;

/// Which processes a tree is made of.
#[derive(Debug)]
pub(crate) enum Claim {
    /// One child, its session, and all that carry its marker.
    Child {
        /// The child. Not reaped before the tree is dead, so that its pid, and with it its session, is its own.
        root: Identity,
        /// Its marker.
        marker: Marker,
    },
    /// All that carry one of these markers.
    Marked(HashSet<Marker>),
    /// These processes.
    These(HashSet<Identity>),
}

impl Claim {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::Child { root, .. } => row.identity == *root || row.session == root.pid,
            Self::Marked(_) => false,
            Self::These(identities) => identities.contains(&row.identity),
        }
    }

    fn names(&self, marker: &Marker) -> bool {
        match self {
            Self::Child { marker: own, .. } => own == marker,
            Self::Marked(markers) => markers.contains(marker),
            Self::These(_) => false,
        }
    }

    /// No descendant started before this, in clock ticks since boot.
    fn earliest(&self) -> u64 {
        match self {
            Self::Child { root, .. } => root.start,
            Self::Marked(_) | Self::These(_) => 0,
        }
    }
}

/// What a kill came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Toll {
    pub(crate) killed: usize,
    pub(crate) left: usize,
}

/// The processes of one claim, as far as they have been seen.
#[derive(Debug)]
pub(crate) struct Tree {
    claim: Claim,
    /// Control groups that belong to the claim, each removed once it is empty.
    groups: Vec<Group>,
    /// Never touched: the server itself, and in a sweep its ancestors and descendants.
    spared: HashSet<u32>,
    /// Members seen so far. A member stays one when its parent dies or its environment is replaced.
    known: HashSet<Identity>,
    /// Processes whose environment was read and names no marker of ours: a descent cannot add it later.
    strangers: HashSet<Identity>,
    killed: HashSet<Identity>,
}

impl Tree {
    pub(crate) fn new(claim: Claim, groups: Vec<Group>, spared: HashSet<u32>) -> Self {
        Self {
            claim,
            groups,
            spared,
            known: HashSet::new(),
            strangers: HashSet::new(),
            killed: HashSet::new(),
        }
    }

    /// Kills every member until a scan finds none, or until `limit` is over. Blocks; call it off the runtime.
    pub(crate) fn kill(&mut self, limit: Duration) -> Toll {
        let deadline = Instant::now() + limit;
        loop {
            let found = self.freeze();
            let left = match &found {
                Ok(members) if members.is_empty() => 0,
                Ok(members) => members.len(),
                Err(_) => 1,
            };
            if left == 0 {
                self.remove_groups();
            }
            if left == 0 || Instant::now() >= deadline {
                return Toll { killed: self.killed.len(), left };
            }
            match found {
                Ok(members) => self.kill_all(&members, deadline.min(Instant::now() + ROUND_LIMIT)),
                Err(error) => {
                    tracing::warn!(%error, "cannot read the process table, trying again");
                    std::thread::sleep(RETRY_PAUSE);
                }
            }
        }
    }

    /// Stops members until a scan finds no new one: what is stopped cannot fork out of the kill.
    fn freeze(&mut self) -> io::Result<Vec<Row>> {
        let mut frozen = HashSet::new();
        let mut members = self.find()?;
        for _ in 0..FREEZE_ROUNDS {
            let fresh: Vec<Identity> =
                members.iter().map(|row| row.identity).filter(|identity| frozen.insert(*identity)).collect();
            if fresh.is_empty() {
                break;
            }
            for identity in fresh {
                signal(identity, Signal::STOP);
            }
            members = self.find()?;
        }
        Ok(members)
    }

    /// Sends `SIGKILL` to `members` and waits until they are gone or the deadline has come.
    fn kill_all(&mut self, members: &[Row], deadline: Instant) {
        for group in &self.groups {
            if let Err(error) = group.kill() {
                tracing::warn!(?group, %error, "cannot kill a cgroup");
            }
        }
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

    /// The living members: claimed by session or marker, known from before, and whatever descends from those or
    /// shares a session with them (nobody joins a session, it is only inherited).
    pub(crate) fn find(&mut self) -> io::Result<Vec<Row>> {
        let earliest = self.claim.earliest();
        let mut grouped = HashSet::new();
        for group in &self.groups {
            grouped.extend(group.members()?);
        }
        let mut others = proc_table::rows()?;
        others.retain(|row| row.identity.start >= earliest && !self.spared.contains(&row.identity.pid));
        let ours = |row: &mut Row| grouped.contains(&row.identity.pid) || self.claims(row);
        let mut members: Vec<Row> = others.extract_if(.., ours).collect();
        let (mut parents, mut sessions) = (HashSet::new(), HashSet::new());
        let mut next = 0;
        while let Some(member) = members.get(next) {
            parents.insert(member.identity.pid);
            sessions.insert(member.session);
            next += 1;
            if next == members.len() {
                let kin = |row: &mut Row| {
                    parents.contains(&row.parent) || (row.session != 0 && sessions.contains(&row.session))
                };
                members.extend(others.extract_if(.., kin));
            }
        }
        self.known.extend(members.iter().map(|row| row.identity));
        members.retain(Row::is_alive);
        Ok(members)
    }

    /// Takes in who still writes to one of these pipes, which only the child's descendants were given. Left out is
    /// who started before the child or belongs to another one: a descriptor can be passed on.
    pub(crate) fn take_in_writers(&mut self, pipes: &[PipeProbe]) -> io::Result<()> {
        for row in proc_table::rows()? {
            let Row { identity, .. } = row;
            if identity.start >= self.claim.earliest()
                && !self.spared.contains(&identity.pid)
                && pipes.iter().any(|pipe| pipe.is_written_by(identity.pid))
                && !matches!(proc_table::mark(identity.pid), Mark::Of(_))
            {
                self.known.insert(identity);
            }
        }
        Ok(())
    }

    fn remove_groups(&self) {
        for group in &self.groups {
            if let Err(error) = group.remove() {
                tracing::warn!(?group, %error, "cannot remove an empty cgroup");
            }
        }
    }

    fn claims(&mut self, row: &Row) -> bool {
        if self.known.contains(&row.identity) || self.claim.holds(row) {
            return true;
        }
        if self.strangers.contains(&row.identity) || !row.is_alive() {
            return false;
        }
        match proc_table::mark(row.identity.pid) {
            Mark::Of(marker) if self.claim.names(&marker) => true,
            Mark::Unknown => false,
            Mark::Of(_) | Mark::None => {
                self.strangers.insert(row.identity);
                false
            }
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

//! Removing what an earlier server left behind.

use std::collections::HashSet;
use std::time::Duration;

use crate::cgroup::{Cgroups, Group};
use crate::owner::{Marker, Owner, Server, ServerName};
use crate::proc_table::{self, Mark, Row};
use crate::tree::{Claim, Tree};

/// How long a sweep may take.
const SWEEP_LIMIT: Duration = Duration::from_secs(10);

/// What a sweep came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Children of dead servers of which something still ran.
    pub children: usize,
    /// Processes that were killed.
    pub processes_killed: usize,
    /// Processes that could not be killed. Must be 0.
    pub processes_left: usize,
}

/// Kills what an earlier server of the same owner left behind when it was killed, and returns how many processes
/// that ended. Children of a server that still lives are not touched, whatever their owner's name; nor is the
/// calling process, or what it descends from, even if it was started by such a child. Call it at start.
pub async fn sweep(owner: &Owner) -> SweepReport {
    let owner = owner.clone();
    match tokio::task::spawn_blocking(move || sweep_now(&owner)).await {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(%error, "the sweep was cut short");
            SweepReport::default()
        }
    }
}

fn sweep_now(owner: &Owner) -> SweepReport {
    let (Some(this), Ok(rows)) = (Server::this(), proc_table::rows()) else {
        tracing::error!("cannot read the process table, so nothing is swept");
        return SweepReport::default();
    };
    let orphaned: HashSet<Marker> = marks(&rows)
        .filter(|marker| marker.owner == *owner && marker.server.namespace == this.namespace)
        .filter(|marker| !marker.server.lives())
        .collect();
    let children = orphaned.len();
    let kin = kin(&rows, this.process.pid);
    let groups = without(Cgroups::orphaned(owner), &kin);
    let toll = Tree::new(Claim::Marked(orphaned), groups, kin).kill(SWEEP_LIMIT);
    SweepReport { children, processes_killed: toll.killed, processes_left: toll.left }
}

/// Kills what a server runs, though that still lives: for a process beside it that knows that it may run nothing any more. The calling
/// process, and what it descends from, are not touched.
pub fn end_children_of(owner: &Owner, server: ServerName) -> SweepReport {
    let (Some(this), Ok(rows)) = (Server::this(), proc_table::rows()) else { return SweepReport::default() };
    let children = children_of(&rows, owner, server.0);
    let number = children.len();
    let toll =
        Tree::new(Claim::Marked(children), Vec::new(), ancestors(&rows, this.process.pid)).kill(SWEEP_LIMIT);
    SweepReport { children: number, processes_killed: toll.killed, processes_left: toll.left }
}

fn children_of(rows: &[Row], owner: &Owner, server: Server) -> HashSet<Marker> {
    marks(rows).filter(|marker| marker.owner == *owner && marker.server == server).collect()
}

/// The marks of all that live.
fn marks(rows: &[Row]) -> impl Iterator<Item = Marker> {
    let living = rows.iter().filter(|row| row.is_alive());
    living.filter_map(|row| match proc_table::mark(row.identity.pid) {
        Mark::Of(marker) => Some(marker),
        Mark::None | Mark::Unknown => None,
    })
}

/// What runs of a server that was killed: its children, all that descends from them, and who is in their groups. For a process beside
/// it. What is seen while its parent lives is known when that has ended; the calling process, and what it descends from, are left alone.
#[derive(Debug)]
pub struct LeftBehind {
    children: usize,
    tree: Tree,
}

impl LeftBehind {
    /// Of that server; make it as soon as that has ended.
    #[must_use]
    pub fn by(owner: &Owner, server: ServerName) -> Self {
        let rows = proc_table::rows().unwrap_or_default();
        let children = children_of(&rows, owner, server.0);
        let spared = ancestors(&rows, std::process::id());
        let groups = without(Cgroups::of(owner, |other| other == server.0), &spared);
        Self { children: children.len(), tree: Tree::new(Claim::Marked(children), groups, spared) }
    }

    /// Whether any of it lives, as far as the process table can be read.
    pub fn lives(&mut self) -> bool {
        self.tree.lives()
    }

    /// Kills it, and removes the groups. Blocks until it is dead, or for about ten seconds.
    pub fn end(mut self) -> SweepReport {
        let toll = self.tree.kill(SWEEP_LIMIT);
        SweepReport { children: self.children, processes_killed: toll.killed, processes_left: toll.left }
    }
}

/// The groups in which none of these processes is: a group is killed whole.
fn without(mut groups: Vec<Group>, spared: &HashSet<u32>) -> Vec<Group> {
    groups.retain(|group| group.members().is_ok_and(|members| members.is_disjoint(spared)));
    groups
}

/// A process with its ancestors and descendants.
fn kin(rows: &[Row], pid: u32) -> HashSet<u32> {
    let mut kin = HashSet::from([pid]);
    while let Some(child) =
        rows.iter().find(|row| kin.contains(&row.parent) && !kin.contains(&row.identity.pid))
    {
        kin.insert(child.identity.pid);
    }
    kin.extend(ancestors(rows, pid));
    kin
}

/// A process with its ancestors.
fn ancestors(rows: &[Row], pid: u32) -> HashSet<u32> {
    let mut found = HashSet::from([pid]);
    let mut eldest = pid;
    while let Some(row) = rows.iter().find(|row| row.identity.pid == eldest) {
        eldest = row.parent;
        if !found.insert(eldest) {
            break;
        }
    }
    found
}

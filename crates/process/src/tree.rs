//! Everything that descends from a child, whatever session or group it moved to.

mod kill;
mod survey;

use std::collections::HashSet;
use std::io;

use crate::cgroup::Group;
use crate::owner::Marker;
use crate::pipe_probe::PipeProbe;
use crate::proc_table::{self, Identity, Mark, Row};

pub(crate) use kill::Toll;

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
    /// All that carry one of these markers, and who shares a session with them: of servers that are gone, or cut off.
    Marked(HashSet<Marker>),
    /// All that carry one of these markers. Their sessions may be those of a daemon that started them.
    Strays(HashSet<Marker>),
    /// These processes.
    These(HashSet<Identity>),
}

impl Claim {
    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::Child { root, .. } => row.identity == *root || row.session == root.pid,
            Self::Marked(_) | Self::Strays(_) => false,
            Self::These(identities) => identities.contains(&row.identity),
        }
    }

    fn names(&self, marker: &Marker) -> bool {
        match self {
            Self::Child { marker: own, .. } => own == marker,
            Self::Marked(markers) | Self::Strays(markers) => markers.contains(marker),
            Self::These(_) => false,
        }
    }

    fn root_pid(&self) -> u32 {
        match self {
            Self::Child { root, .. } => root.pid,
            Self::Marked(_) | Self::Strays(_) | Self::These(_) => 0,
        }
    }

    /// No descendant started before this, in clock ticks since boot.
    fn earliest(&self) -> u64 {
        match self {
            Self::Child { root, .. } => root.start,
            Self::Marked(markers) | Self::Strays(markers) => {
                markers.iter().map(|marker| marker.server.process.start).min().unwrap_or_default()
            }
            Self::These(_) => 0,
        }
    }

    fn takes_in_sessions(&self) -> bool {
        !matches!(self, Self::Strays(_))
    }
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

    /// Whether a member lives, as far as that can be told.
    pub(crate) fn lives(&mut self) -> bool {
        self.scan(|_| {}).is_ok_and(|members| !members.is_empty())
    }

    /// The living members: claimed by session or marker, known from before, and whatever descends from those or
    /// shares a session with them (nobody joins a session, it is only inherited). Each is told to `on_sight` when it
    /// is found, which is earlier than when all are.
    fn scan(&mut self, on_sight: impl FnMut(Identity)) -> io::Result<Vec<Row>> {
        let grouped = self.grouped()?;
        let mut pids = proc_table::pids()?;
        // Where members are likely to be comes first: pids are given in ascending order until they wrap.
        pids.sort_by_key(|pid| *pid < self.claim.root_pid());
        let mut members = self.members_among(pids, &grouped, on_sight)?;
        members.retain(Row::is_alive);
        Ok(members)
    }

    fn grouped(&self) -> io::Result<HashSet<u32>> {
        let mut grouped = HashSet::new();
        for group in &self.groups {
            grouped.extend(group.members()?);
        }
        Ok(grouped)
    }

    /// As [`Self::scan`], with the zombies, among `pids`.
    fn members_among(
        &mut self,
        pids: impl IntoIterator<Item = u32>,
        grouped: &HashSet<u32>,
        mut on_sight: impl FnMut(Identity),
    ) -> io::Result<Vec<Row>> {
        let (mut members, mut others, mut foreign) = (Vec::new(), Vec::new(), HashSet::new());
        for pid in pids {
            let Some(row) = proc_table::row(pid)? else { continue };
            let may_be_member = self.may_be_member(&row);
            // What is in a group was started in it, whenever that was.
            if (grouped.contains(&pid) && !self.spared.contains(&pid)) || (may_be_member && self.claims(&row))
            {
                see(&row, &mut on_sight);
                members.push(row);
            } else if may_be_member {
                others.push(row);
            } else {
                foreign.insert(row.session);
            }
        }
        let mut kin = Kin::of(self.claim.takes_in_sessions().then_some(foreign));
        kin.join(&mut members, others, &mut on_sight);
        self.known.extend(members.iter().map(|row| row.identity));
        Ok(members)
    }

    fn may_be_member(&self, row: &Row) -> bool {
        row.identity.start >= self.claim.earliest() && !self.spared.contains(&row.identity.pid)
    }

    /// Takes in who still writes to one of these pipes, which only the child's descendants were given. Left out is
    /// who started before the child, belongs to another one or is in the server's session: a descriptor can be passed
    /// on to somebody who is no descendant.
    pub(crate) fn take_in_writers(&mut self, pipes: &[PipeProbe]) -> io::Result<()> {
        let own_session = proc_table::own_session()?;
        for row in proc_table::rows()? {
            let Row { identity, .. } = row;
            if self.may_be_member(&row)
                && row.session != own_session
                && pipes.iter().any(|pipe| pipe.is_written_by(identity.pid))
                && !matches!(proc_table::mark(identity.pid), Mark::Of(_))
            {
                self.known.insert(identity);
            }
        }
        Ok(())
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

/// What makes a process kin of members: its parent, or its session.
struct Kin {
    parents: HashSet<u32>,
    sessions: HashSet<u32>,
    /// Sessions that are others': one in them is older than the tree, or spared. `None` where no session tells anything.
    foreign: Option<HashSet<u32>>,
}

impl Kin {
    fn of(foreign: Option<HashSet<u32>>) -> Self {
        Self { parents: HashSet::new(), sessions: HashSet::new(), foreign }
    }

    /// Moves to `members` whatever descends from them, or shares a session with one of them.
    fn join(&mut self, members: &mut Vec<Row>, mut others: Vec<Row>, on_sight: &mut impl FnMut(Identity)) {
        let mut next = 0;
        while let Some(member) = members.get(next) {
            self.add(member);
            next += 1;
            if next == members.len() {
                for kin in others.extract_if(.., |row| self.has(row)) {
                    see(&kin, on_sight);
                    members.push(kin);
                }
            }
        }
    }

    fn add(&mut self, member: &Row) {
        self.parents.insert(member.identity.pid);
        // A session outside of this pid namespace is shown as 0, whichever it is.
        if member.session != 0
            && self.foreign.as_ref().is_some_and(|foreign| !foreign.contains(&member.session))
        {
            self.sessions.insert(member.session);
        }
    }

    fn has(&self, row: &Row) -> bool {
        self.parents.contains(&row.parent) || self.sessions.contains(&row.session)
    }
}

fn see(row: &Row, on_sight: &mut impl FnMut(Identity)) {
    if row.is_alive() {
        on_sight(row.identity);
    }
}

//! What a tree uses.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use super::Tree;
use crate::Vitals;
use crate::proc_table::{self, Identity, Row};

/// Identities that may be remembered before those of ended processes are forgotten.
const MOST_REMEMBERED: usize = 1024;

impl Tree {
    /// What the members use, `root` apart from the others; `None` when it is gone. Blocks for some milliseconds.
    pub(crate) fn vitals(&mut self, root: Identity) -> io::Result<Option<Vitals>> {
        let grouped = self.grouped()?;
        let pids = if grouped.is_empty() {
            proc_table::pids()?
        } else {
            // A group holds its whole tree, but for what left it on purpose.
            let known = self.known.iter().chain([&root]).map(|identity| identity.pid);
            grouped.iter().copied().chain(known).collect::<HashSet<u32>>().into_iter().collect()
        };
        let members = self.members_among(pids, &grouped, |_| {})?;
        if self.known.len().max(self.strangers.len()) > MOST_REMEMBERED {
            self.forget_ended()?;
        }
        let Some(child) = members.iter().find(|row| row.identity == root) else { return Ok(None) };
        let others = || members.iter().filter(|row| row.identity != root);
        // A zombie still has its time, but no memory, and nobody is to wait for it.
        let others_ticks: u64 = others().map(|row| row.usage.own_ticks + row.usage.waited_ticks).sum();
        let pages: u64 = members.iter().filter(|row| row.is_alive()).map(|row| row.usage.pages).sum();
        Ok(Some(Vitals {
            cpu: time(child.usage.own_ticks),
            children_cpu: time(others_ticks + child.usage.waited_ticks),
            children: others().filter(|row| row.is_alive()).count(),
            memory_bytes: pages.saturating_mul(rustix::param::page_size() as u64),
        }))
    }

    /// A tree that is surveyed for hours would remember every process that ever was.
    fn forget_ended(&mut self) -> io::Result<()> {
        let there: HashSet<Identity> = proc_table::rows()?.iter().map(|row: &Row| row.identity).collect();
        self.known.retain(|identity| there.contains(identity));
        self.strangers.retain(|identity| there.contains(identity));
        Ok(())
    }
}

fn time(ticks: u64) -> Duration {
    let millis = ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(millis)
}

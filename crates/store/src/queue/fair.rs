//! Fair shares: who has the fewest tasks at work goes first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use domain::{Principal, Priority};

use super::Share;

/// How much somebody has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Served {
    at_work: usize,
    /// When it was served last, as a count of everybody's services.
    last: u64,
}

type Workspaces = BTreeMap<PathBuf, BTreeSet<u64>>;

/// The candidates, and what everybody has at work.
#[derive(Debug, Default)]
pub(super) struct Shares {
    candidates: BTreeMap<Reverse<Priority>, BTreeMap<Principal, Workspaces>>,
    principals: HashMap<Principal, Served>,
    workspaces: HashMap<Share, Served>,
    services: u64,
}

/// More idle owners than this are not remembered: they lose nothing but their place behind those who never came.
const MOST_REMEMBERED: usize = 10_000;

impl Shares {
    pub(super) fn insert(&mut self, priority: Priority, share: &Share, number: u64) {
        let principals = self.candidates.entry(Reverse(priority)).or_default();
        let workspaces = principals.entry(share.principal.clone()).or_default();
        workspaces.entry(share.workspace.clone()).or_default().insert(number);
    }

    pub(super) fn remove(&mut self, priority: Priority, share: &Share, number: u64) {
        let Some(principals) = self.candidates.get_mut(&Reverse(priority)) else { return };
        let Some(workspaces) = principals.get_mut(&share.principal) else { return };
        let Some(numbers) = workspaces.get_mut(&share.workspace) else { return };
        numbers.remove(&number);
        if numbers.is_empty() {
            workspaces.remove(&share.workspace);
        }
        if workspaces.is_empty() {
            principals.remove(&share.principal);
        }
        if principals.is_empty() {
            self.candidates.remove(&Reverse(priority));
        }
    }

    pub(super) fn next(&self) -> Option<u64> {
        let (_, principals) = self.candidates.first_key_value()?;
        let served = |principal: &Principal| self.principals.get(principal).copied().unwrap_or_default();
        let (principal, workspaces) = principals.iter().min_by_key(|(principal, _)| served(principal))?;
        let served = |workspace: &PathBuf| {
            let share = Share { principal: principal.clone(), workspace: workspace.clone() };
            self.workspaces.get(&share).copied().unwrap_or_default()
        };
        let (_, numbers) = workspaces.iter().min_by_key(|(workspace, _)| served(workspace))?;
        numbers.first().copied()
    }

    pub(super) fn begin(&mut self, share: &Share) {
        self.services += 1;
        let last = self.services;
        if self.workspaces.len() > MOST_REMEMBERED {
            self.principals.retain(|_, served| served.at_work > 0);
            self.workspaces.retain(|_, served| served.at_work > 0);
        }
        let principal = self.principals.entry(share.principal.clone()).or_default();
        *principal = Served { at_work: principal.at_work + 1, last };
        let workspace = self.workspaces.entry(share.clone()).or_default();
        *workspace = Served { at_work: workspace.at_work + 1, last };
    }

    pub(super) fn end(&mut self, share: &Share) {
        if let Some(served) = self.principals.get_mut(&share.principal) {
            served.at_work = served.at_work.saturating_sub(1);
        }
        if let Some(served) = self.workspaces.get_mut(share) {
            served.at_work = served.at_work.saturating_sub(1);
        }
    }
}

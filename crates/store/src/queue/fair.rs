//! Fair shares: who has the fewest tasks at work goes first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
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

/// Candidates, and how many of their principal's tasks may be at work at once.
type Candidates = BTreeMap<u64, Option<NonZeroU32>>;
type Workspaces = BTreeMap<PathBuf, Candidates>;

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
    pub(super) fn insert(
        &mut self,
        priority: Priority,
        share: &Share,
        number: u64,
        most: Option<NonZeroU32>,
    ) {
        let principals = self.candidates.entry(Reverse(priority)).or_default();
        let workspaces = principals.entry(share.principal.clone()).or_default();
        workspaces.entry(share.workspace.clone()).or_default().insert(number, most);
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

    /// Who goes next. A principal that has as much at work as its next task allows is passed over.
    pub(super) fn next(&self) -> Option<u64> {
        self.candidates.values().find_map(|principals| {
            let able = principals.iter().filter(|(principal, workspaces)| {
                let at_work = self.served(principal).at_work;
                workspaces.values().any(|candidates| first_allowed(candidates, at_work).is_some())
            });
            let (principal, workspaces) = able.min_by_key(|(principal, _)| self.served(principal))?;
            let at_work = self.served(principal).at_work;
            let firsts = workspaces
                .iter()
                .filter_map(|(workspace, candidates)| Some((workspace, first_allowed(candidates, at_work)?)));
            let served = |workspace: &PathBuf| {
                let share = Share { principal: principal.clone(), workspace: workspace.clone() };
                self.workspaces.get(&share).copied().unwrap_or_default()
            };
            firsts.min_by_key(|(workspace, _)| served(workspace)).map(|(_, number)| number)
        })
    }

    /// Those that could all go now. Whoever has a principal with a bound may be left out that could go before others of it.
    pub(super) fn able(&self) -> Vec<u64> {
        let (mut at_work, mut able) = (HashMap::new(), Vec::new());
        for (principal, workspaces) in self.candidates.values().flatten() {
            let at_work = at_work.entry(principal).or_insert_with(|| self.served(principal).at_work);
            for (number, most) in workspaces.values().flatten() {
                if is_allowed(*most, *at_work) {
                    *at_work += 1;
                    able.push(*number);
                }
            }
        }
        able
    }

    fn served(&self, principal: &Principal) -> Served {
        self.principals.get(principal).copied().unwrap_or_default()
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

/// The oldest candidate that has not to wait for others of its principal to end.
fn first_allowed(candidates: &Candidates, at_work: usize) -> Option<u64> {
    candidates.iter().find(|(_, most)| is_allowed(**most, at_work)).map(|(number, _)| *number)
}

fn is_allowed(most: Option<NonZeroU32>, at_work: usize) -> bool {
    most.is_none_or(|most| at_work < most.get() as usize)
}

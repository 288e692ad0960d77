//! Is what a comparison calls worse really worse? Two runs lie hours apart, and a machine changes more in that time than most commits change a
//! server. So the servers of both are measured in turns, within minutes, and their plain figures compared.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::compare::{Change, Verdict, change};
use crate::figure::{Better, Figure};
use crate::machine::Machine;
use crate::measures::{self, Scale};
use crate::run::{Job, Run, run};
use crate::systems;

/// How often each server is measured. When nothing has changed, the median of five is worse than all of five others once in twelve
/// times, and seldom by more than is tolerated.
pub(crate) const ROUNDS: usize = 5;

const BEFORE: &str = "before";
const AFTER: &str = "after";

/// What came of measuring in turns.
#[derive(Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Worse, in both the comparison and in turns.
    worse: Vec<Change>,
    /// What the comparison called worse, and is not.
    acquitted: Vec<Change>,
    /// Figures that the later run has not, and what it or one of the servers failed at.
    failed: Vec<String>,
}

impl Judgement {
    /// Whether nothing is worse.
    pub(crate) fn is_good(&self) -> bool {
        self.worse.is_empty() && self.failed.is_empty()
    }

    /// Adds what a pair of servers showed of the figures that one measure gives.
    fn add(&mut self, suspects: &[&Change], turns: &Run) {
        let failures = turns.failures.iter();
        self.failed.extend(
            failures.map(|failure| format!("{}, {}: {}", failure.measure, failure.variant, failure.error)),
        );
        for Change { name, variant, tolerance, .. } in suspects {
            let (Some(before), Some(after)) = (turns.figure(name, BEFORE), turns.figure(name, AFTER)) else {
                self.failed.push(format!("{name} ({variant}): it was not measured"));
                continue;
            };
            let before = &Figure { tolerance: *tolerance, ..before.clone() };
            let (is_worse, seen) = is_worse(before, after);
            let seen = Change { variant: variant.clone(), ..seen };
            if is_worse { self.worse.push(seen) } else { self.acquitted.push(seen) }
        }
    }
}

/// Measures both servers in turns at all that seems worse.
pub(crate) async fn judge(verdict: &Verdict, before: &Path, after: &Path, rounds: usize) -> Judgement {
    let mut suspects: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for change in &verdict.worse {
        suspects.entry((&change.measure, &change.variant)).or_default().push(change);
    }
    let missing = verdict.missing.iter().map(|name| format!("{name}: the later run has none"));
    let failed = missing.chain(verdict.failed.iter().cloned()).collect();
    let mut judgement = Judgement { worse: vec![], acquitted: vec![], failed };
    for ((measure, variant), suspects) in suspects {
        let Some(jobs) = job(before, measure, variant, BEFORE).zip(job(after, measure, variant, AFTER))
        else {
            judgement.failed.push(format!("{measure}, {variant}: there is no such measure any more"));
            continue;
        };
        judgement.add(&suspects, &run(&<[_; 2]>::from(jobs), rounds, false, Machine::this()).await);
    }
    judgement
}

/// What measures one server with one storage; `None` when there is no such measure any more.
fn job(program: &Path, measure: &str, storage: &str, variant: &str) -> Option<Job> {
    let jobs = measures::jobs(&systems::servers(program), Scale { is_quick: false });
    let job = jobs.into_iter().find(|job| job.measure == measure && job.variant == storage)?;
    Some(Job { variant: variant.to_owned(), is_once: false, ..job })
}

/// Whether the median is worse by more than is tolerated, and worse than in each round of before.
fn is_worse(before: &Figure, after: &Figure) -> (bool, Change) {
    let plain = |figure: &Figure| Figure { limit: None, ..figure.clone() };
    let change = change(&plain(before), &plain(after));
    let is_outside = before.rounds.iter().all(|round| match before.better {
        Better::Higher => after.value < *round,
        Better::Lower => after.value > *round,
    });
    (is_outside && change.worse_by > change.tolerance, change)
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, changes) in [("worse", &self.worse), ("not worse", &self.acquitted)] {
            changes.iter().try_for_each(|change| writeln!(f, "{title}: {change}"))?;
        }
        self.failed.iter().try_for_each(|failure| writeln!(f, "failed: {failure}"))?;
        let (worse, acquitted, failed) = (self.worse.len(), self.acquitted.len(), self.failed.len());
        writeln!(f, "measured in turns: {worse} worse, {acquitted} not, {failed} failed")
    }
}

#[cfg(test)]
mod tests;

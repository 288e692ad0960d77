//! Has anything become worse? Figures are divided by what the same run measured beside them, so that neither the machine nor its mood counts.

use std::fmt;

use anyhow::{Result, ensure};

use crate::figure::{Better, Figure};
use crate::run::Run;
use crate::systems::Storage;

/// How one figure has changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// Name of the figure.
    pub(crate) name: String,
    /// The measure that gives it.
    pub(crate) measure: String,
    /// With what.
    pub(crate) variant: String,
    /// Ratio in the earlier run, or the value where there is no yardstick.
    pub(crate) before: f64,
    /// The same in the later run.
    pub(crate) after: f64,
    /// How much worse, as a share of what it was; negative when it is better.
    pub(crate) worse_by: f64,
    /// How much is tolerated.
    pub(crate) tolerance: f64,
}

/// What a comparison shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// Worse than is tolerated; the worst first.
    pub(crate) worse: Vec<Change>,
    /// Better by more than is tolerated.
    pub(crate) better: Vec<Change>,
    /// In the earlier run and not in the later one.
    pub(crate) missing: Vec<String>,
    /// What the later run failed at.
    pub(crate) failed: Vec<String>,
    /// Number of the others.
    pub(crate) unchanged: usize,
}

impl Verdict {
    /// Whether nothing is worse.
    pub(crate) fn is_good(&self) -> bool {
        self.worse.is_empty() && self.missing.is_empty() && self.failed.is_empty()
    }
}

/// Compares two runs. Only our server is judged: no limits of the machine, no other systems.
///
/// # Errors
/// When one of them was quick: its sizes are others.
pub(crate) fn compare(baseline: &Run, new: &Run) -> Result<Verdict> {
    ensure!(
        !baseline.quick && !new.quick,
        "the figures of a quick run say nothing: make one without --quick"
    );
    let mut verdict =
        Verdict { worse: vec![], better: vec![], missing: vec![], failed: vec![], unchanged: 0 };
    for old in baseline.figures.iter().filter(|figure| is_ours(&figure.variant)) {
        let found = new.figure(&old.name, &old.variant);
        match found.filter(|figure| old.limit.is_none() || figure.limit.is_some()) {
            None => verdict.missing.push(full_name(old)),
            Some(figure) => {
                let change = change(old, figure);
                if change.worse_by > change.tolerance {
                    verdict.worse.push(change);
                } else if is_better(&change) {
                    verdict.better.push(change);
                } else {
                    verdict.unchanged += 1;
                }
            }
        }
    }
    verdict.worse.sort_by(|one, other| other.worse_by.total_cmp(&one.worse_by));
    let failures = new.failures.iter().filter(|failure| is_ours(&failure.variant));
    verdict.failed.extend(
        failures.map(|failure| format!("{}, {}: {}", failure.measure, failure.variant, failure.error)),
    );
    Ok(verdict)
}

fn is_ours(variant: &str) -> bool {
    Storage::ALL.iter().any(|storage| storage.name() == variant)
}

fn full_name(figure: &Figure) -> String {
    format!("{} ({})", figure.name, figure.variant)
}

/// What is compared: the ratio, or the value where the figure has no yardstick.
fn judged(figure: &Figure, has_limit: bool) -> f64 {
    figure.limit.as_ref().filter(|_| has_limit).map_or(figure.value, |limit| limit.ratio)
}

/// How a figure has changed between two runs.
pub(crate) fn change(old: &Figure, new: &Figure) -> Change {
    let has_limit = old.limit.is_some();
    let (before, after) = (judged(old, has_limit), judged(new, has_limit));
    let (good, bad) = match old.better {
        Better::Higher => (after, before),
        Better::Lower => (before, after),
    };
    let is_same = good == bad || (!has_limit && (before - after).abs() <= old.slack);
    let worse_by = if is_same { 0.0 } else { bad / good - 1.0 };
    Change {
        name: old.name.clone(),
        measure: old.measure.clone(),
        variant: old.variant.clone(),
        before,
        after,
        worse_by,
        tolerance: old.tolerance,
    }
}

/// Better by as large a factor as is tolerated for worse.
fn is_better(change: &Change) -> bool {
    (1.0 + change.worse_by) * (1.0 + change.tolerance) < 1.0
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, variant, before, after, worse_by, tolerance, .. } = self;
        let (by, tolerance) = (worse_by * 100.0, tolerance * 100.0);
        write!(f, "{name} ({variant}): {before:.4} → {after:.4}, {by:+.0} % (tolerated: {tolerance:.0} %)")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, changes) in [("worse", &self.worse), ("better", &self.better)] {
            changes.iter().try_for_each(|change| writeln!(f, "{title}: {change}"))?;
        }
        self.missing.iter().try_for_each(|name| writeln!(f, "missing: {name}"))?;
        self.failed.iter().try_for_each(|failure| writeln!(f, "failed: {failure}"))?;
        let (worse, better) = (self.worse.len(), self.better.len());
        let (missing, failed) = (self.missing.len(), self.failed.len());
        writeln!(
            f,
            "{worse} worse, {better} better, {} as before, {missing} missing, {failed} failed",
            self.unchanged
        )
    }
}

#[cfg(test)]
mod tests;

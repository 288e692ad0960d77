//! What is measured: a figure, what it is held against, and how it is written down.

use serde::{Deserialize, Serialize};

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// More is.
    Higher,
    /// Less is.
    Lower,
}

/// What a figure means, written beside the code that measures it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// Its name in the JSON: never changed, since baselines go by it.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) says: &'static str,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Which way is good.
    pub(crate) better: Better,
    /// How much worse its ratio may get until a comparison calls it worse, as a share of the baseline's.
    pub(crate) tolerance: f64,
    /// A difference of up to so much of the unit is never worse: memory comes in pieces. Only for figures without a yardstick.
    pub(crate) slack: f64,
    /// The targets, by variant.
    pub(crate) targets: &'static [(&'static str, f64)],
    /// Name of the figure of the same run that it is divided by, so that runs of different machines can be compared. A limit of the
    /// machine, or a figure of the same variant. Without one, the value itself is compared: memory does not depend on speed.
    pub(crate) yardstick: Option<&'static str>,
}

/// A rate may vary by so much between two good runs.
const RATE_TOLERANCE: f64 = 0.25;
/// A time.
const TIME_TOLERANCE: f64 = 0.5;
/// The slowest one in a hundred.
const TAIL_TOLERANCE: f64 = 1.5;
/// Memory.
const MEMORY_TOLERANCE: f64 = 0.2;

impl Spec {
    const fn new(
        name: &'static str,
        says: &'static str,
        unit: &'static str,
        better: Better,
        tolerance: f64,
    ) -> Self {
        Self { name, says, unit, better, tolerance, slack: 0.0, targets: &[], yardstick: None }
    }

    /// So many a second.
    pub(crate) const fn rate(name: &'static str, says: &'static str, unit: &'static str) -> Self {
        Self::new(name, says, unit, Better::Higher, RATE_TOLERANCE)
    }

    /// Milliseconds, or seconds of a processor.
    pub(crate) const fn time(name: &'static str, says: &'static str, unit: &'static str) -> Self {
        Self::new(name, says, unit, Better::Lower, TIME_TOLERANCE)
    }

    /// Milliseconds that few exceed.
    pub(crate) const fn tail(name: &'static str, says: &'static str) -> Self {
        Self::new(name, says, "ms", Better::Lower, TAIL_TOLERANCE)
    }

    /// Memory.
    pub(crate) const fn memory(name: &'static str, says: &'static str, unit: &'static str) -> Self {
        Self::new(name, says, unit, Better::Lower, MEMORY_TOLERANCE)
    }

    /// That varies more than others of its kind.
    pub(crate) const fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Of which small differences say nothing.
    pub(crate) const fn slack(mut self, slack: f64) -> Self {
        self.slack = slack;
        self
    }

    /// With targets by variant.
    pub(crate) const fn targets(mut self, targets: &'static [(&'static str, f64)]) -> Self {
        self.targets = targets;
        self
    }

    /// With what it is divided by.
    pub(crate) const fn per(mut self, yardstick: &'static str) -> Self {
        self.yardstick = Some(yardstick);
        self
    }

    /// The target of a variant.
    pub(crate) fn target(&self, variant: &str) -> Option<f64> {
        self.targets.iter().find(|(name, _)| *name == variant).map(|(_, target)| *target)
    }
}

/// A figure of a run, as the JSON has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Name of what is measured.
    pub(crate) name: String,
    /// The measure that gives it, as `bench run --only` has it.
    pub(crate) measure: String,
    /// With what: `sqlite`, `memory`, `redis`, another system's name, or `machine` for a limit.
    pub(crate) variant: String,
    /// For people.
    pub(crate) says: String,
    /// Its unit.
    pub(crate) unit: String,
    /// Which way is good.
    pub(crate) better: Better,
    /// Median of the rounds.
    pub(crate) value: f64,
    /// Greatest less least of the rounds, as a share of the median.
    pub(crate) spread: f64,
    /// What each round showed.
    pub(crate) rounds: Vec<f64>,
    /// What it should be.
    pub(crate) target: Option<f64>,
    /// How much worse the ratio may get, as a share.
    pub(crate) tolerance: f64,
    /// A difference of up to so much of the unit is never worse, where there is no limit.
    pub(crate) slack: f64,
    /// What it is held against, from the same run.
    pub(crate) limit: Option<Limit>,
}

/// The yardstick of a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limit {
    /// The other figure's name.
    pub(crate) name: String,
    /// Its variant.
    pub(crate) variant: String,
    /// Its value in this run.
    pub(crate) value: f64,
    /// Figure divided by it.
    pub(crate) ratio: f64,
}

impl Figure {
    /// Whether the target is met; `None` without one.
    pub(crate) fn meets_target(&self) -> Option<bool> {
        let target = self.target?;
        Some(match self.better {
            Better::Higher => self.value >= target,
            Better::Lower => self.value <= target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(better: Better, value: f64, target: Option<f64>) -> Figure {
        Figure {
            name: "a".into(),
            measure: "of".into(),
            variant: "sqlite".into(),
            says: String::new(),
            unit: "ms".into(),
            better,
            value,
            spread: 0.0,
            rounds: vec![value],
            target,
            tolerance: 0.25,
            slack: 0.0,
            limit: None,
        }
    }

    #[test]
    fn a_target_is_met_on_the_good_side_of_it() {
        let met = [
            figure(Better::Lower, 1.0, Some(1.0)).meets_target(),
            figure(Better::Lower, 1.1, Some(1.0)).meets_target(),
            figure(Better::Higher, 1.0, Some(1.0)).meets_target(),
            figure(Better::Higher, 0.9, Some(1.0)).meets_target(),
            figure(Better::Higher, 0.9, None).meets_target(),
        ];
        assert_eq!(met, [Some(true), Some(false), Some(true), Some(false), None]);
    }
}

//! What has to stay flat, and how flat.

use crate::record::{LifeRecord, Verdict};
use crate::sample::Sample;
use crate::trend::{Tolerance, judge, median};

/// What a life begins with is not looked at: this long, or this share of a shorter life.
const WARM_UP_SECONDS: f64 = 300.0;
const WARM_UP_SHARE: f64 = 0.25;
const MIB: f64 = 1024.0 * 1024.0;

/// One figure of a sample.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) tolerance: Tolerance,
    /// The figure; `None` where there was nothing to measure.
    pub(crate) of: fn(&Sample) -> Option<f64>,
}

const fn measure(
    name: &'static str,
    unit: &'static str,
    (share, amount): (f64, f64),
    of: fn(&Sample) -> Option<f64>,
) -> Measure {
    Measure { name, unit, tolerance: Tolerance { share, amount }, of }
}

/// All that are judged. Latencies may grow more than the rest: others use the machine, too. A p99 may double: it is the second
/// worst of the hundred submissions between two looks.
pub(crate) const MEASURES: [Measure; 14] = [
    measure("resident memory", "MiB", (0.05, 2.0), |sample| Some(sample.resident_bytes as f64 / MIB)),
    measure("proportional memory", "MiB", (0.05, 2.0), |sample| Some(sample.proportional_bytes as f64 / MIB)),
    measure("anonymous memory", "MiB", (0.05, 2.0), |sample| Some(sample.anonymous_bytes as f64 / MIB)),
    measure("open descriptors", "", (0.1, 10.0), |sample| Some(sample.descriptors as f64)),
    measure("threads", "", (0.0, 2.0), |sample| Some(sample.threads as f64)),
    measure("child processes", "", (0.1, 4.0), |sample| Some(sample.children as f64)),
    measure("processor", "% of a core", (0.15, 3.0), |sample| Some(sample.cpu_percent)),
    measure("database", "MiB", (0.1, 8.0), |sample| Some(sample.database_bytes as f64 / MIB)),
    measure("files in the data folder", "", (0.1, 300.0), |sample| Some(sample.data_files as f64)),
    measure("submission, p50", "ms", (0.25, 0.5), |sample| some(sample.submission_ms, |spread| spread.p50)),
    measure("submission, p99", "ms", (1.0, 25.0), |sample| some(sample.submission_ms, |spread| spread.p99)),
    measure("agent to reader, p50", "ms", (0.25, 0.1), |sample| some(sample.arrival_ms, |spread| spread.p50)),
    measure("agent to reader, p99", "ms", (1.0, 10.0), |sample| some(sample.arrival_ms, |spread| spread.p99)),
    measure("interrupt to end, p50", "ms", (0.5, 10.0), |sample| {
        some(sample.interrupt_ms, |spread| spread.p50)
    }),
];

fn some(spread: crate::meter::Spread, of: fn(crate::meter::Spread) -> f64) -> Option<f64> {
    (spread.count > 0).then(|| of(spread))
}

/// The samples of a life that count.
fn warm(samples: &[Sample], life: u32) -> Vec<&Sample> {
    let of_it = || samples.iter().filter(|sample| sample.life == life);
    let oldest = of_it().map(|sample| sample.age).fold(0.0, f64::max);
    let warm_up = WARM_UP_SECONDS.min(WARM_UP_SHARE * oldest);
    of_it().filter(|sample| sample.age >= warm_up).collect()
}

/// Judges the longest life: whether something grows with time.
pub(crate) fn over_one_life(samples: &[Sample], lives: &[LifeRecord]) -> Vec<Verdict> {
    let Some(longest) = lives.iter().max_by(|one, other| one.seconds().total_cmp(&other.seconds())) else {
        return Vec::new();
    };
    let warm = warm(samples, longest.number);
    let verdict = |measure: &Measure| {
        let points: Vec<_> =
            warm.iter().filter_map(|sample| Some((sample.age / 60.0, (measure.of)(sample)?))).collect();
        Verdict {
            name: measure.name.to_owned(),
            unit: measure.unit.to_owned(),
            trend: judge(&points, measure.tolerance),
        }
    };
    MEASURES.iter().map(verdict).collect()
}

/// Judges all lives but the first, which begins with an empty database: whether something grows from one to the next, at the
/// age that all of them reached.
pub(crate) fn over_all_lives(samples: &[Sample], lives: &[LifeRecord]) -> Vec<Verdict> {
    let oldest = |life: &LifeRecord| {
        let of_it = samples.iter().filter(|sample| sample.life == life.number);
        of_it.map(|sample| sample.age).max_by(f64::total_cmp)
    };
    let later: Vec<_> = lives.iter().skip(1).filter(|life| oldest(life).is_some()).collect();
    let age = later.iter().filter_map(|life| oldest(life)).fold(f64::INFINITY, f64::min);
    let value = |life: u32, of: fn(&Sample) -> Option<f64>| {
        let then = samples
            .iter()
            .filter(|sample| sample.life == life && (age / 2.0..=age + f64::EPSILON).contains(&sample.age));
        let values: Vec<_> = then.filter_map(of).collect();
        (!values.is_empty()).then(|| median(values))
    };
    let of_lives = |measure: &Measure| {
        let points: Vec<_> = later
            .iter()
            .filter_map(|life| Some((f64::from(life.number), value(life.number, measure.of)?)))
            .collect();
        Verdict {
            name: measure.name.to_owned(),
            unit: measure.unit.to_owned(),
            trend: judge(&points, measure.tolerance),
        }
    };
    let starts: Vec<_> = later.iter().map(|life| (f64::from(life.number), life.ready_ms)).collect();
    let start = Verdict {
        name: "start".to_owned(),
        unit: "ms".to_owned(),
        trend: judge(&starts, Tolerance { share: 0.5, amount: 30.0 }),
    };
    MEASURES.iter().map(of_lives).chain([start]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Spread;

    fn sample(life: u32, age: f64, mib: f64) -> Sample {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let bytes = (mib * MIB) as u64;
        Sample {
            at: age,
            life,
            age,
            resident_bytes: bytes,
            proportional_bytes: bytes,
            anonymous_bytes: bytes,
            descriptors: 30,
            threads: 10,
            children: 32,
            cpu_percent: 20.0,
            database_bytes: 0,
            data_files: 100,
            events_per_second: 0.0,
            submissions_per_second: 0.0,
            submission_ms: Spread::default(),
            arrival_ms: Spread::default(),
            interrupt_ms: Spread::default(),
        }
    }

    fn life(number: u32, seconds: f64) -> LifeRecord {
        LifeRecord { number, ended: seconds, ready_ms: 20.0, ..LifeRecord::default() }
    }

    /// One life's samples, a look every ten seconds.
    fn looks(life: u32, count: u32, mib: impl Fn(f64) -> f64) -> Vec<Sample> {
        let age = |number: u32| 10.0 * f64::from(number);
        (1..=count).map(|number| sample(life, age(number), mib(age(number)))).collect()
    }

    fn flat(verdicts: &[Verdict], name: &str) -> Option<bool> {
        verdicts.iter().find(|verdict| verdict.name == name).and_then(|verdict| verdict.trend.is_flat)
    }

    #[test]
    fn what_a_long_life_begins_with_is_not_growth_and_what_goes_on_is() {
        let lives = [life(1, 100.0), life(2, 1500.0)];
        let levels_off = looks(2, 150, |age| 20.0 + age.min(200.0) / 10.0);
        assert_eq!(flat(&over_one_life(&levels_off, &lives), "resident memory"), Some(true));
        let goes_on = looks(2, 150, |age| 20.0 + age / 400.0);
        let verdicts = over_one_life(&goes_on, &lives);
        assert_eq!(flat(&verdicts, "resident memory"), Some(false));
        assert_eq!(flat(&verdicts, "open descriptors"), Some(true));
        assert_eq!(flat(&verdicts, "submission, p50"), None);
    }

    #[test]
    fn lives_are_compared_at_the_same_age() {
        let lives: Vec<_> =
            (1..=8).map(|number| life(number, if number == 8 { 1500.0 } else { 300.0 })).collect();
        let samples = |grows: f64| -> Vec<_> {
            let count = |life: u32| if life == 8 { 150 } else { 30 };
            let of =
                |life: u32| looks(life, count(life), move |age| 20.0 + age / 10.0 + grows * f64::from(life));
            (1..=8).flat_map(of).collect()
        };
        assert_eq!(flat(&over_all_lives(&samples(0.0), &lives), "resident memory"), Some(true));
        let growing = over_all_lives(&samples(1.0), &lives);
        assert_eq!(flat(&growing, "resident memory"), Some(false));
        assert_eq!(flat(&growing, "start"), Some(true));
    }
}

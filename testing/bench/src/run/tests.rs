use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const LIMIT: Spec = Spec::rate("limit", "a limit", "events/s");
const RATE: Spec = Spec::rate("rate", "a rate", "events/s").per("limit").targets(&[("sqlite", 40.0)]);
const TIME: Spec = Spec::time("time", "a time", "ms").per("rate");

type Measuring = fn(usize) -> Result<Samples>;

/// A job that is told in which round it is.
fn job(measure: &'static str, variant: &str, is_once: bool, measuring: Measuring) -> Job {
    let rounds = AtomicUsize::new(0);
    let run = move || -> BoxFuture<'static, Result<Samples>> {
        let round = rounds.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { measuring(round) })
    };
    Job { measure, variant: variant.into(), is_once, run: Arc::new(run) }
}

fn one(spec: &'static Spec, value: f64) -> Result<Samples> {
    let mut samples = Samples::default();
    samples.add(spec, value);
    Ok(samples)
}

#[tokio::test]
async fn a_figure_is_the_median_of_its_rounds_beside_its_yardstick() {
    let jobs = [
        job("limit", MACHINE, true, |_| one(&LIMIT, 100.0)),
        job("rate", "sqlite", false, |round| one(&RATE, [50.0, 60.0, 40.0][round])),
        job("time", "sqlite", false, |_| one(&TIME, 25.0)),
    ];
    let run = run(&jobs, 3, false, Machine::unknown()).await;
    let found = run.figure("rate", "sqlite").expect("a figure").clone();
    let limit = |name: &str, variant: &str, value, ratio| {
        Some(Limit { name: name.into(), variant: variant.into(), value, ratio })
    };
    let expected = Figure {
        name: "rate".into(),
        measure: "rate".into(),
        variant: "sqlite".into(),
        says: "a rate".into(),
        unit: "events/s".into(),
        better: crate::figure::Better::Higher,
        value: 50.0,
        spread: 0.4,
        rounds: vec![50.0, 60.0, 40.0],
        target: Some(40.0),
        tolerance: 0.25,
        slack: 0.0,
        limit: limit("limit", MACHINE, 100.0, 0.5),
    };
    assert_eq!(found, expected);
    assert_eq!(run.figure("limit", MACHINE).expect("a limit").rounds, [100.0]);
    assert_eq!(run.figure("time", "sqlite").expect("a time").limit, limit("rate", "sqlite", 50.0, 0.5));
    assert_eq!(run.failures, []);
}

#[tokio::test]
async fn what_fails_has_no_figure_and_stops_nothing_else() {
    let jobs =
        [
            job("fails", "sqlite", false, |_| Err(anyhow!("no agent").context("it did not start"))),
            job("panics", "redis", false, |_| panic!("an event is missing")),
            job("fails later", "memory", false, |round| {
                if round == 0 { one(&RATE, 1.0) } else { Err(anyhow!("late")) }
            }),
        ];
    let run = run(&jobs, 2, false, Machine::unknown()).await;
    let figures: Vec<_> =
        run.figures.iter().map(|figure| (figure.name.as_str(), figure.rounds.as_slice())).collect();
    assert_eq!(figures, [("rate", [1.0].as_slice())]);
    let mut failures: Vec<_> = run
        .failures
        .iter()
        .map(|failure| (failure.round, failure.measure.as_str(), failure.error.as_str()))
        .collect();
    failures.sort_unstable();
    let expected = [
        (1, "fails", "it did not start: no agent"),
        (1, "panics", "an event is missing"),
        (2, "fails", "it did not start: no agent"),
        (2, "fails later", "late"),
        (2, "panics", "an event is missing"),
    ];
    assert_eq!(failures, expected);
}

#[test]
fn systems_take_turns_in_each_measure() {
    let pairs = [
        ("limit", MACHINE),
        ("replay", "memory"),
        ("replay", "sqlite"),
        ("replay", "redis"),
        ("start", "redis"),
    ];
    let jobs = pairs.map(|(measure, variant)| job(measure, variant, false, |_| Ok(Samples::default())));
    let order = |round| turned(&jobs, round).map(|job| job.variant.as_str()).collect::<Vec<_>>();
    assert_eq!(order(0), [MACHINE, "memory", "sqlite", "redis", "redis"]);
    assert_eq!(order(1), [MACHINE, "sqlite", "redis", "memory", "redis"]);
    assert_eq!(order(5), [MACHINE, "redis", "memory", "sqlite", "redis"]);
}

use super::*;
use crate::figure::Limit;
use crate::machine::Machine;
use crate::run::{FORMAT, Failure, MACHINE};

fn figure(name: &str, variant: &str, better: Better, value: f64, limit: Option<f64>) -> Figure {
    let limit = limit.map(|limit| Limit {
        name: "limit".into(),
        variant: MACHINE.into(),
        value: limit,
        ratio: value / limit,
    });
    Figure {
        name: name.into(),
        measure: "replay".into(),
        variant: variant.into(),
        says: "says".into(),
        unit: "ms".into(),
        better,
        value,
        spread: 0.0,
        rounds: vec![value],
        target: None,
        tolerance: 0.25,
        slack: 0.0,
        limit,
    }
}

fn run(figures: Vec<Figure>) -> Run {
    Run {
        format: FORMAT,
        at: "2026-11-26T19:00:00Z".into(),
        rounds: 1,
        quick: false,
        seconds: 1.0,
        machine: Machine::unknown(),
        figures,
        failures: vec![],
    }
}

#[test]
fn a_slower_machine_changes_no_ratio_and_others_are_not_judged() {
    let rate = |value, limit| figure("rate", "sqlite", Better::Higher, value, Some(limit));
    let time = |value, limit| figure("time", "sqlite", Better::Lower, value, Some(limit));
    let limit = |value| figure("limit", MACHINE, Better::Higher, value, None);
    let other = |value| figure("rate", "python", Better::Higher, value, None);
    let verdict = compare(
        &run(vec![limit(1000.0), other(10.0), rate(200.0, 1000.0), time(4.0, 2.0)]),
        &run(vec![limit(100.0), other(1.0), rate(20.0, 100.0), time(40.0, 20.0)]),
    );
    let expected = Verdict { worse: vec![], better: vec![], missing: vec![], failed: vec![], unchanged: 2 };
    assert_eq!(verdict.expect("comparable"), expected);
}

/// Two runs of which hardly a figure is the same.
fn changed() -> [Run; 2] {
    let redis = |value| figure("halved", "redis", Better::Higher, value, Some(1000.0));
    let doubled = |value| figure("doubled", "sqlite", Better::Lower, value, Some(0.5));
    let memory = |value| figure("memory", "sqlite", Better::Lower, value, None);
    let quicker = |value| figure("quicker", "sqlite", Better::Lower, value, Some(1.0));
    let tolerated = |value| figure("tolerated", "sqlite", Better::Higher, value, Some(1000.0));
    let gone = |variant| figure("gone", variant, Better::Higher, 1.0, None);
    let limited = |limit| figure("without limit", "sqlite", Better::Higher, 1.0, limit);
    let of = |values: [f64; 5], variant, limit| {
        let [a, b, c, d, e] = values;
        run(vec![redis(a), doubled(b), memory(c), quicker(d), tolerated(e), gone(variant), limited(limit)])
    };
    let old = of([200.0, 1.0, 10.0, 2.0, 125.0], "sqlite", Some(1.0));
    let mut new = of([100.0, 3.0, 15.0, 1.0, 100.0], "redis", None);
    // What fails of others says nothing of our server.
    for variant in ["redis", "python", MACHINE] {
        let [measure, variant, error] = ["replay", variant, "late"].map(str::to_owned);
        new.failures.push(Failure { measure, variant, round: 2, error });
    }
    [old, new]
}

#[test]
fn what_is_worse_or_better_by_more_than_is_tolerated_is_found() {
    let [old, new] = changed();
    let change = |name: &str, variant: &str, before, after, worse_by| {
        let [name, measure, variant] = [name, "replay", variant].map(str::to_owned);
        Change { name, measure, variant, before, after, worse_by, tolerance: 0.25 }
    };
    let expected = Verdict {
        worse: vec![
            change("doubled", "sqlite", 2.0, 6.0, 2.0),
            change("halved", "redis", 0.2, 0.1, 1.0),
            change("memory", "sqlite", 10.0, 15.0, 0.5),
        ],
        better: vec![change("quicker", "sqlite", 2.0, 1.0, -0.5)],
        missing: vec!["gone (sqlite)".into(), "without limit (sqlite)".into()],
        failed: vec!["replay, redis: late".into()],
        unchanged: 1,
    };
    let verdict = compare(&old, &new).expect("comparable");
    assert_eq!((verdict.is_good(), verdict), (false, expected));
}

#[test]
fn a_verdict_names_all_that_has_changed() {
    let [old, new] = changed();
    let said = "\
worse: doubled (sqlite): 2.0000 → 6.0000, +200 % (tolerated: 25 %)
worse: halved (redis): 0.2000 → 0.1000, +100 % (tolerated: 25 %)
worse: memory (sqlite): 10.0000 → 15.0000, +50 % (tolerated: 25 %)
better: quicker (sqlite): 2.0000 → 1.0000, -50 % (tolerated: 25 %)
missing: gone (sqlite)
missing: without limit (sqlite)
failed: replay, redis: late
3 worse, 1 better, 1 as before, 2 missing, 1 failed
";
    assert_eq!(compare(&old, &new).expect("comparable").to_string(), said);
}

#[test]
fn nothing_and_nothing_are_the_same_and_something_instead_of_nothing_is_worse() {
    let of = |value| run(vec![figure("growth", "sqlite", Better::Lower, value, None)]);
    assert!(compare(&of(0.0), &of(0.0)).expect("comparable").is_good());
    assert!(!compare(&of(0.0), &of(1.0)).expect("comparable").is_good());
}

#[test]
fn small_differences_of_memory_say_nothing() {
    let of = |value| {
        let growth = figure("growth", "sqlite", Better::Lower, value, None);
        run(vec![Figure { slack: 2.0, ..growth }])
    };
    let is_good = |before, after| compare(&of(before), &of(after)).expect("comparable").is_good();
    assert_eq!(
        [is_good(0.0, 2.0), is_good(0.0, 2.1), is_good(10.0, 12.0), is_good(10.0, 13.0)],
        [true, false, true, false]
    );
}

#[test]
fn a_quick_run_is_not_compared() {
    let quick = Run { quick: true, ..run(vec![]) };
    let refused = compare(&run(vec![]), &quick).map_err(|error| error.to_string());
    assert_eq!(refused, Err("the figures of a quick run say nothing: make one without --quick".to_owned()));
}

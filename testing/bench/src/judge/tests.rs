use super::*;
use crate::run::{FORMAT, Failure};

fn figure(variant: &str, better: Better, rounds: [f64; 5]) -> Figure {
    let text = str::to_owned;
    Figure {
        name: text("rate"),
        measure: text("stream"),
        variant: text(variant),
        says: text("says"),
        unit: text("events/s"),
        better,
        value: crate::statistics::median(&rounds).expect("rounds"),
        spread: 0.0,
        rounds: rounds.to_vec(),
        target: None,
        tolerance: 0.25,
        slack: 0.0,
        limit: None,
    }
}

fn turns(figures: Vec<Figure>, failures: Vec<Failure>) -> Run {
    let at = "2026-11-27T06:00:00Z".into();
    let machine = Machine::unknown();
    Run { format: FORMAT, at, rounds: 5, quick: false, seconds: 1.0, machine, figures, failures }
}

fn seen(before: f64, after: f64, worse_by: f64) -> Change {
    let [name, measure, variant] = ["rate", "stream", "sqlite"].map(str::to_owned);
    Change { name, measure, variant, before, after, worse_by, tolerance: 0.25 }
}

fn judged(turns: &Run) -> Judgement {
    let mut judgement = Judgement { worse: vec![], acquitted: vec![], failed: vec![] };
    judgement.add(&[&seen(2.0, 1.0, 1.0)], turns);
    judgement
}

#[test]
fn what_is_worse_in_turns_as_well_is_worse() {
    let before = figure(BEFORE, Better::Higher, [100.0, 90.0, 100.0, 110.0, 100.0]);
    let after = figure(AFTER, Better::Higher, [50.0, 120.0, 50.0, 40.0, 60.0]);
    let judgement = judged(&turns(vec![before, after], vec![]));
    let expected = Judgement { worse: vec![seen(100.0, 50.0, 1.0)], acquitted: vec![], failed: vec![] };
    assert_eq!((judgement.is_good(), &judgement), (false, &expected));
    let said = "\
worse: rate (sqlite): 100.0000 → 50.0000, +100 % (tolerated: 25 %)
measured in turns: 1 worse, 0 not, 0 failed
";
    assert_eq!(judgement.to_string(), said);
}

#[test]
fn what_a_round_of_before_shows_too_or_is_tolerated_is_not_worse() {
    let before = |rounds| figure(BEFORE, Better::Lower, rounds);
    let after = |rounds| figure(AFTER, Better::Lower, rounds);
    let pairs = [
        (before([1.0, 1.0, 1.0, 1.0, 2.0]), after([2.0; 5]), seen(1.0, 2.0, 1.0)),
        (before([1.0; 5]), after([1.0, 1.25, 1.25, 1.25, 9.0]), seen(1.0, 1.25, 0.25)),
    ];
    for (before, after, change) in pairs {
        let judgement = judged(&turns(vec![before, after], vec![]));
        let expected = Judgement { worse: vec![], acquitted: vec![change], failed: vec![] };
        assert_eq!((judgement.is_good(), judgement), (true, expected));
    }
}

#[test]
fn a_server_that_fails_is_not_acquitted() {
    let [measure, variant, error] = ["stream", AFTER, "late"].map(str::to_owned);
    let failure = Failure { measure, variant, round: 1, error };
    let before = figure(BEFORE, Better::Higher, [1.0; 5]);
    let judgement = judged(&turns(vec![before], vec![failure]));
    let failed = vec!["stream, after: late".to_owned(), "rate (sqlite): it was not measured".to_owned()];
    assert_eq!(
        (judgement.is_good(), judgement),
        (false, Judgement { worse: vec![], acquitted: vec![], failed })
    );
}

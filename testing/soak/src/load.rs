//! What callers do all the time.

mod conversation;
mod single;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::caller::Callers;
use crate::plan::Load;
use crate::reader::Outcome;
use crate::tally::Fault;

/// The model of tasks for the real CLI: the agents' program goes by it.
pub(crate) const REAL_MODEL: &str = "claude-sonnet-4-5";
/// What a task is told whose session's conversation was cut off before its first prompt was written down.
const CUT_OFF: &str = "the session's conversation is no longer there to resume";

/// A task to be, and how it has to end.
#[derive(Debug, Clone)]
struct Task {
    id: String,
    body: Value,
    /// Whether it goes on when its server ends.
    resumes: bool,
    /// Whether somebody interrupts it.
    is_interrupted: bool,
    /// The first life in which a restart matters to it; `None` for the one in which it is submitted.
    since: Option<u32>,
}

impl Task {
    fn new(callers: &Callers, id: String, prompt: &str, resumes: bool) -> Self {
        let on_restart = if resumes { "resume" } else { "interrupt" };
        let body = json!({"task_id": id, "prompt": prompt, "workspace": callers.workspace,
            "options": {"on_restart": on_restart}});
        Self { id, body, resumes, is_interrupted: false, since: None }
    }

    /// Counts how it ended; true when it completed.
    fn judge(&self, callers: &Callers, submitted_in: u32, outcome: &Outcome) -> bool {
        let tally = &callers.tally;
        let restarted = !callers.lives.goes_on(self.since.unwrap_or(submitted_in).min(submitted_in));
        let is_cut_off = outcome.errors.iter().any(|error| error.starts_with(CUT_OFF));
        match outcome.status.as_str() {
            "completed" if !self.is_interrupted => {
                tally.count(|counts| {
                    counts.completed += 1;
                    counts.outlasted_restarts += u64::from(!callers.lives.goes_on(submitted_in));
                });
                return true;
            }
            "interrupted" if self.is_interrupted => tally.count(|counts| counts.interrupted_by_callers += 1),
            "interrupted" if restarted && !self.resumes => {
                tally.count(|counts| counts.interrupted_by_restarts += 1);
            }
            "failed" if restarted && is_cut_off => {
                tally.count(|counts| counts.conversations_cut_by_restarts += 1);
            }
            _ => tally.fault(Fault::WrongOutcome, 1, format!("{}: {outcome:?}; {}", self.id, self.body)),
        }
        false
    }
}

/// Between two of so many a second, by chance, as if many callers did not know of each other.
fn gap(chance: &mut Rng, per_second: f64) -> Duration {
    Duration::from_secs_f64(-(1.0 - chance.f64()).ln() / per_second)
}

/// Begins all of it; it goes on until the callers are told to finish.
pub(crate) fn begin(callers: &Arc<Callers>, load: &Load, seed: u64) {
    let mut seeds = Rng::with_seed(seed);
    let mut chance = || Rng::with_seed(seeds.u64(..));
    let spawn = |callers: &Arc<Callers>| (Arc::clone(callers), callers.at_work.clone());
    let (those, tracker) = spawn(callers);
    tracker.spawn(single::short_tasks(those, load.short_tasks_per_second, chance()));
    let (those, tracker) = spawn(callers);
    tracker.spawn(single::interrupted_tasks(those, load.interrupts_per_second, chance()));
    for number in 0..load.streams {
        let (those, tracker) = spawn(callers);
        tracker.spawn(single::streams(those, number, load.stream_events_per_second, chance()));
    }
    for number in 0..load.conversations {
        let (those, tracker) = spawn(callers);
        tracker.spawn(conversation::one_after_the_other(those, number, chance()));
    }
    if load.real_tasks_per_minute > 0.0 {
        let (those, tracker) = spawn(callers);
        tracker.spawn(single::real_tasks(those, load.real_tasks_per_minute / 60.0, chance()));
    }
}

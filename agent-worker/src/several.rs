//! Several tasks side by side, and one table at the end.

use client::readable::{Line, Tone};
use client::table;
use futures_util::{StreamExt, stream};

use crate::REFUSED;
use crate::advice::advice;
use crate::jobs::Job;
use crate::run::{Done, Runs, run};
use crate::summary::{FAILED, HEADING, INTERRUPTED, exit_code, row};

/// What became of one.
struct Outcome {
    name: String,
    row: [String; HEADING.len()],
    code: u8,
    was_begun: bool,
    done: Option<Done>,
}

/// Runs them, so many at once; gives an exit code for all.
pub(crate) async fn several(runs: &Runs, parallel: usize) -> u8 {
    let running = runs
        .ready
        .jobs
        .iter()
        .enumerate()
        .map(|(place, job)| async move { (place, outcome(runs, job).await) });
    // Whoever is done makes room, also for those behind one that takes long.
    let mut outcomes: Vec<_> = stream::iter(running).buffer_unordered(parallel).collect().await;
    outcomes.sort_by_key(|(place, _)| *place);
    let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    let rows = outcomes.iter().map(|outcome| outcome.row.clone());
    let rows: Vec<_> = std::iter::once(HEADING.map(str::to_owned)).chain(rows).collect();
    for outcome in &outcomes {
        let Some(Done { place, summary, folder }) = &outcome.done else { continue };
        runs.screen.line(&Line::new("task", Tone::Plain, outcome.name.as_str()));
        runs.screen.whole(&Line::new("record", Tone::Aside, folder.to_string_lossy()));
        for line in advice(place, summary) {
            runs.screen.whole(&line);
        }
    }
    runs.screen.text(&format!("\n{}", table(&rows)));
    if outcomes.iter().all(|outcome| !outcome.was_begun) && !runs.stop.is_cancelled() {
        return REFUSED;
    }
    exit_code(&outcomes.iter().map(|outcome| outcome.code).collect::<Vec<_>>())
}

async fn outcome(runs: &Runs, job: &Job) -> Outcome {
    let name = job.name.clone().unwrap_or_default();
    match run(runs, job).await {
        Ok(done) => Outcome {
            row: row(&name, &done.summary),
            code: done.summary.exit_code,
            was_begun: true,
            done: Some(done),
            name,
        },
        Err(error) => {
            runs.screen.whole(&Line::new("error", Tone::Bad, format!("[{name}] {error}")));
            let code = if runs.stop.is_cancelled() { INTERRUPTED } else { FAILED };
            let mut row = HEADING.map(|_| String::new());
            for (cell, text) in row.iter_mut().zip([name.as_str(), "not begun", &code.to_string()]) {
                text.clone_into(cell);
            }
            Outcome { name, row, code, was_begun: false, done: None }
        }
    }
}

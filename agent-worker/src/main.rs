//! Runs coding tasks on git branches: by a Claude Code Server, or by the CLI itself as it was done before there was one.

mod advice;
mod arguments;
mod execution;
mod git;
mod jobs;
mod place;
mod preflight;
mod record;
mod run;
mod screen;
mod several;
mod stop;
mod summary;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use client::readable::{Line, Tone, harmless};
use process::{InvalidOwner, Owner};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::advice::advice;
use self::arguments::Arguments;
use self::execution::AgentOptions;
use self::run::{Done, INTERRUPTED_BEFORE, Runs, run};
use self::screen::Screen;
use self::stop::Signals;
use self::summary::INTERRUPTED;

/// Nothing was done: a wrong argument, a tree that is not clean, no server.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .context("the runtime could not be started")
        .and_then(|runtime| runtime.block_on(Box::pin(work_or_leave(&arguments))));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // A stderr that is gone has nobody to tell.
            drop(writeln!(std::io::stderr(), "agent-worker: {}", harmless(&format!("{error:#}"))));
            ExitCode::from(REFUSED)
        }
    }
}

/// The work, until it is done or left by a second Ctrl-C. A child of ours goes with us; a server's task goes on.
async fn work_or_leave(arguments: &Arguments) -> anyhow::Result<u8> {
    let signals = Signals::new()?;
    let (stop, screen) = (CancellationToken::new(), Screen::new());
    tokio::select! {
        code = work(arguments, &stop, &screen) => code,
        () = signals.obey(&stop, &screen) => Ok(INTERRUPTED),
    }
}

async fn work(arguments: &Arguments, stop: &CancellationToken, screen: &Screen) -> anyhow::Result<u8> {
    let (ready, _lock) = tokio::select! {
        checked = preflight::check(arguments, screen) => checked?,
        () = stop.cancelled() => {
            screen.line(&Line::new("error", Tone::Bad, INTERRUPTED_BEFORE));
            return Ok(INTERRUPTED);
        }
    };
    let runs = Runs {
        ready,
        options: AgentOptions::of(arguments),
        commit: arguments.commit,
        stop: stop.clone(),
        screen: screen.clone(),
        making: Mutex::new(()),
    };
    if arguments.tasks.is_some() {
        let parallel = usize::try_from(arguments.parallel).unwrap_or(1);
        return Ok(several::several(&runs, parallel).await);
    }
    let [job] = runs.ready.jobs.as_slice() else { return Ok(REFUSED) };
    let Done { place, summary, folder } = match run(&runs, job).await {
        Ok(done) => done,
        Err(error) if stop.is_cancelled() => {
            screen.whole(&Line::new("error", Tone::Bad, error.to_string()));
            return Ok(INTERRUPTED);
        }
        Err(error) => return Err(error.into()),
    };
    screen.whole(&Line::new("record", Tone::Aside, folder.to_string_lossy()));
    for line in advice(&place, &summary) {
        screen.whole(&line);
    }
    Ok(summary.exit_code)
}

/// The name under which this worker's children are found.
fn owner() -> Result<Owner, InvalidOwner> {
    Owner::new(&format!("agent-worker-{}", std::process::id()))
}

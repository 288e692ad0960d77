//! Runs a real server for an hour: steady load, readers that come and go, restarts, kills. Says whether anything was lost and
//! whether anything grows. See README.md.

mod caller;
mod lives;
mod load;
mod measures;
mod meter;
mod place;
mod plan;
mod plots;
mod reader;
mod record;
mod report;
mod run;
mod sample;
mod tally;
mod trend;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::plan::Load;
use crate::record::Record;
use crate::run::Plan;

#[derive(Parser)]
#[command(about, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Action>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a page and plots of a record
    Report {
        /// The record
        record: PathBuf,
        /// The folder for soak.md and soak/*.svg
        folder: PathBuf,
    },
}

#[derive(Args)]
struct RunArguments {
    /// How long; open tasks then have time to end
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// The server's program
    #[arg(long, required = true)]
    server: Option<PathBuf>,
    /// The record, written again at each look
    #[arg(long, default_value = "soak.json")]
    out: PathBuf,
    /// What chance begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much of the usual load
    #[arg(long, default_value_t = 1.0)]
    load: f64,
    /// Tasks of the real CLI a minute; 0 for none
    #[arg(long, default_value_t = 3.0)]
    real_per_minute: f64,
}

/// A line for whoever watches.
fn say(line: &str) {
    // A terminal that is gone ends nothing.
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Counts Ctrl-C and SIGTERM.
fn signals() -> anyhow::Result<watch::Receiver<u32>> {
    let (sender, receiver) = watch::channel(0);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            sender.send_modify(|count| *count += 1);
        }
    });
    Ok(receiver)
}

async fn run(arguments: RunArguments) -> anyhow::Result<bool> {
    let load = Load { real_tasks_per_minute: arguments.real_per_minute, ..Load::usual() };
    let plan = Plan {
        binary: arguments.server.context("--server is missing")?,
        out: arguments.out,
        length: Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes")?,
        seed: arguments.seed,
        load: load.times(arguments.load),
    };
    let record = run::run(plan, signals()?).await?;
    report::summary(&record).iter().for_each(|line| say(line));
    Ok(record.passed)
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let is_good = match arguments.command {
        Some(Action::Report { record, folder }) => {
            report::write(&Record::read(&record)?, &folder)?;
            true
        }
        None => run(arguments.run).await?,
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

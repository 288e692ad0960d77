//! Measures the server beside what the machine can do, says what came of it, and compares two runs. See the README.

mod compare;
mod figure;
mod judge;
mod limits;
mod machine;
mod measures;
mod memory;
mod reader;
mod report;
mod run;
mod statistics;
mod systems;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use testing::server_program;

use crate::machine::Machine;
use crate::measures::Scale;
use crate::run::{FORMAT, Job, Run, run};

const ROUNDS: usize = 3;
const NO_ROUND: &str = "there is one round at least";

/// Measures the server beside what the machine can do.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures; prints a table, and writes all of it as JSON
    Run(RunArguments),
    /// Writes benchmarks.md and its plots
    Report {
        /// The JSON of a run
        run: PathBuf,
        /// Where to
        folder: PathBuf,
    },
    /// Says what seems to have become worse, by ratios; exit code 1 when something does
    Compare {
        /// The JSON of an earlier run
        baseline: PathBuf,
        /// The JSON of the run that is judged
        new: PathBuf,
    },
    /// Measures what `compare` calls worse again, with two servers in turns; exit code 1 when it is worse
    Judge {
        /// The JSON of an earlier run
        baseline: PathBuf,
        /// The JSON of the run that is judged
        new: PathBuf,
        /// The server that the earlier run was made with
        #[arg(long)]
        before: PathBuf,
        /// How often each is measured
        #[arg(long, default_value_t = judge::ROUNDS)]
        rounds: usize,
    },
}

#[derive(clap::Args)]
struct RunArguments {
    /// Small sizes and one round: shows that everything works
    #[arg(long)]
    quick: bool,
    /// How often; figures are medians
    #[arg(long)]
    rounds: Option<usize>,
    /// Names of measures; `limit` stands for all limits
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Names of systems, such as sqlite
    #[arg(long, value_delimiter = ',')]
    systems: Vec<String>,
    /// Only names the measures and systems
    #[arg(long)]
    list: bool,
    /// Where the JSON goes
    #[arg(long, default_value = "bench.json", overrides_with = "output")]
    output: PathBuf,
}

fn main() -> ExitCode {
    match act(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // Nobody may be there to read it.
            writeln!(std::io::stderr(), "{error:#}").ok();
            ExitCode::from(2)
        }
    }
}

fn act(command: Command) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Run(arguments) => measure(&arguments),
        Command::Report { run, folder } => {
            report::write(&read(&run)?, &folder)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Compare { baseline, new } => {
            let verdict = compare::compare(&read(&baseline)?, &read(&new)?)?;
            write!(out, "{verdict}")?;
            Ok(exit_code(verdict.is_good()))
        }
        Command::Judge { baseline, new, before, rounds } => {
            let verdict = compare::compare(&read(&baseline)?, &read(&new)?)?;
            judge_again(&verdict, &before, rounds)
        }
    }
}

fn exit_code(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[tokio::main]
async fn judge_again(verdict: &compare::Verdict, before: &Path, rounds: usize) -> Result<ExitCode> {
    ensure!(rounds > 0, "{NO_ROUND}");
    // It is started elsewhere.
    let before = before.canonicalize().with_context(|| format!("there is no server {}", before.display()))?;
    let judgement = judge::judge(verdict, &before, &server_program(), rounds).await;
    write!(std::io::stdout(), "{judgement}")?;
    Ok(exit_code(judgement.is_good()))
}

/// What is read first: another format may have other fields.
#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

fn read(path: &Path) -> Result<Run> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Format { format } =
        serde_json::from_str(&text).with_context(|| format!("{} is no run", path.display()))?;
    ensure!(format == FORMAT, "{} has format {format}, and only {FORMAT} is known", path.display());
    serde_json::from_str(&text).with_context(|| format!("{} is no run", path.display()))
}

/// The runtime has a thread a core, as the server has.
#[tokio::main]
async fn measure(arguments: &RunArguments) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    let jobs = jobs(arguments)?;
    if arguments.list {
        jobs.iter().try_for_each(|job| writeln!(out, "{}, {}", job.measure, job.variant))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 1 } else { ROUNDS });
    ensure!(rounds > 0, "{NO_ROUND}");
    // Told first: it says what is not installed.
    let machine = Machine::this();
    let run = run(&jobs, rounds, arguments.quick, machine).await;
    fs::write(&arguments.output, format!("{:#}\n", serde_json::to_value(&run)?))
        .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    write!(out, "{}", report::Table(&run))?;
    Ok(exit_code(run.failures.is_empty()))
}

fn jobs(arguments: &RunArguments) -> Result<Vec<Job>> {
    let mut systems = systems::all(&server_program());
    if let Some(unknown) =
        arguments.systems.iter().find(|name| systems.iter().all(|system| system.name() != *name))
    {
        bail!("there is no system {unknown}: see --list");
    }
    systems.retain(|system| {
        arguments.systems.is_empty() || arguments.systems.iter().any(|name| name == system.name())
    });
    let names: Vec<_> = limits::names().chain(measures::names()).collect();
    if let Some(unknown) = arguments.only.iter().find(|only| !names.iter().any(|name| stands_for(only, name)))
    {
        bail!("there is no measure {unknown}: {}", names.join(", "));
    }
    let scale = Scale { is_quick: arguments.quick };
    let mut jobs = limits::jobs(scale);
    jobs.extend(measures::jobs(&systems, scale));
    jobs.retain(|job| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| stands_for(only, job.measure))
    });
    Ok(jobs)
}

/// A name stands for itself, and for those that go on after it with `_`.
fn stands_for(only: &str, name: &str) -> bool {
    name.strip_prefix(only).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

//! One run: a place, an agent in it, and what came of that.

use std::path::PathBuf;

use client::readable::{Line, Tone};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::arguments::ExecutionMode;
use crate::execution::{AgentOptions, Execution, NotBegun, cli, server};
use crate::git::{self, Changes};
use crate::jobs::Job;
use crate::place::Place;
use crate::preflight::{Executor, Ready};
use crate::record::Record;
use crate::screen::{Reporter, Screen};
use crate::summary::{COMPLETED, FAILED, LocChanges, Summary};

/// What a stop means for who has not begun.
pub(crate) const INTERRUPTED_BEFORE: &str = "interrupted before it began";
/// Where the branches are that are named after their runs.
pub(crate) const BRANCHES: &str = "agent";
/// Longest first line of a commit's message, in characters.
const SUBJECT: usize = 60;

/// What all runs share.
pub(crate) struct Runs {
    pub(crate) ready: Ready,
    pub(crate) options: AgentOptions,
    /// Whether what a completed task has left is committed.
    pub(crate) commit: bool,
    pub(crate) stop: CancellationToken,
    pub(crate) screen: Screen,
    /// Git makes one worktree at a time.
    pub(crate) making: Mutex<()>,
}

/// A run that has ended.
pub(crate) struct Done {
    pub(crate) place: Place,
    pub(crate) summary: Summary,
    /// The run's folder.
    pub(crate) folder: PathBuf,
}

/// Runs one task.
pub(crate) async fn run(runs: &Runs, job: &Job) -> Result<Done, NotBegun> {
    if runs.stop.is_cancelled() {
        return Err(NotBegun(INTERRUPTED_BEFORE.to_owned()));
    }
    let record = Record::create(&runs.ready.runs).map_err(|error| {
        NotBegun(format!("a folder in {} cannot be made: {error}", runs.ready.runs.display()))
    })?;
    let place = match place(runs, job, record.run_id()).await {
        Ok(place) => place,
        Err(error) => return Err(taken_back(record, None, error.to_string()).await),
    };
    let mut reporter = Reporter::new(runs.screen.clone(), job.name.clone(), record);
    let folder = place.workspace.display();
    reporter.line(&Line::new("branch", Tone::Plain, format!("{} in {folder}", place.branch)));
    let begun = Instant::now();
    let executed = execute(runs, job, &place, &mut reporter).await;
    let seconds = begun.elapsed().as_secs_f64();
    match executed {
        Ok(execution) => Ok(finish(runs, job, place, execution, seconds, reporter).await),
        Err(NotBegun(why)) => Err(taken_back(reporter.record, Some(&place), why).await),
    }
}

async fn place(runs: &Runs, job: &Job, run_id: &str) -> Result<Place, git::GitError> {
    let repository = runs.ready.repository.clone();
    let branch = job.branch.clone().unwrap_or_else(|| match &job.name {
        Some(name) => format!("{BRANCHES}/{name}-{run_id}"),
        None => format!("{BRANCHES}/{run_id}"),
    });
    match &runs.ready.worktrees {
        Some(worktrees) => {
            let tree = worktrees.join(format!("{}-{run_id}", repository.name()));
            let _one_at_a_time = runs.making.lock().await;
            Place::worktree(repository, branch, tree).await
        }
        None => Place::branch(repository, branch).await,
    }
}

async fn execute(
    runs: &Runs,
    job: &Job,
    place: &Place,
    reporter: &mut Reporter,
) -> Result<Execution, NotBegun> {
    match &runs.ready.executor {
        Executor::Server(client) => {
            let request = server::request(job, place, &runs.options, reporter.record.run_id());
            server::run(client, request, &runs.stop, reporter).await
        }
        Executor::Cli(cli) => cli::run(cli, job, &place.workspace, &runs.options, &runs.stop, reporter).await,
    }
}

/// Nothing has run: what was made for it goes, so that everything is as it was.
async fn taken_back(record: Record, place: Option<&Place>, why: String) -> NotBegun {
    let mut why = why;
    if let Some(place) = place
        && let Err(error) = place.undo().await
    {
        why = format!("{why}; the branch {} was left: {error}", place.branch);
    }
    if let Err(error) = record.discard() {
        why = format!("{why}; the run's folder was left: {error}");
    }
    NotBegun(why)
}

async fn finish(
    runs: &Runs,
    job: &Job,
    place: Place,
    mut execution: Execution,
    seconds: f64,
    mut reporter: Reporter,
) -> Done {
    if let Err(error) = git::is_on(&place.tree, &place.branch).await {
        execution.fails(error.to_string());
    }
    let repositories = repositories(&place, &mut execution).await;
    let changes = git::changes(&place.tree, place.base()).await.unwrap_or_else(|error| {
        execution.errors.push(format!("what has changed is not known: {error}"));
        Changes::default()
    });
    let commit = if runs.commit && execution.exit_code == COMPLETED {
        let message = message(job, reporter.record.run_id());
        git::commit(&place.tree, &message).await.unwrap_or_else(|error| {
            execution.fails(format!("the changes are there, and are not committed: {error}"));
            None
        })
    } else {
        None
    };
    execution.errors.extend(reporter.record.fault().map(|fault| format!("the record is not whole: {fault}")));
    let mode = runs.ready.executor.mode();
    let mut summary = Summary {
        commit,
        repositories,
        ..summary(reporter.record.run_id(), mode, &place, execution, changes, seconds)
    };
    for line in summary.lines() {
        reporter.line(&line);
    }
    if let Err(error) = reporter.record.summary(&summary) {
        reporter.line(&Line::new("error", Tone::Bad, format!("summary.json cannot be written: {error}")));
        // Whoever looks for it must not take the run for one that went well.
        if summary.exit_code == COMPLETED {
            summary.exit_code = FAILED;
        }
    }
    Done { place, summary, folder: reporter.record.folder().to_owned() }
}

/// The folders that are repositories of their own: what is in them is on no branch of ours, and would go with it unnoticed.
async fn repositories(place: &Place, execution: &mut Execution) -> Vec<String> {
    let found = git::own_repositories(&place.tree, place.base()).await.unwrap_or_else(|error| {
        execution.fails(format!("what is in repositories of their own is not known: {error}"));
        Vec::new()
    });
    if !found.is_empty() {
        let named = found.join(", ");
        execution.fails(format!(
            "{named}: a repository of its own, whose content no commit of this one holds; save it there before the branch is dropped"
        ));
    }
    found
}

fn summary(
    run_id: &str,
    mode: ExecutionMode,
    place: &Place,
    execution: Execution,
    changes: Changes,
    seconds: f64,
) -> Summary {
    Summary {
        run_id: run_id.to_owned(),
        branch: place.branch.clone(),
        execution_mode: mode.as_str(),
        exit_code: execution.exit_code,
        duration_seconds: (seconds * 1000.0).round() / 1000.0,
        token_usage: execution.tokens,
        total_cost_usd: execution.total_cost_usd,
        loc_changes: LocChanges { added: changes.added(), removed: changes.removed() },
        files_changed: changes.0.len(),
        errors: execution.errors,
        summary: execution.summary,
        files: changes.0,
        workspace: place.workspace.to_string_lossy().into_owned(),
        base: place.base().to_owned(),
        commit: None,
        repositories: Vec::new(),
        task_id: execution.task_id,
        session_id: execution.session_id,
    }
}

/// What the agent was told, in a line, and by which run.
fn message(job: &Job, run_id: &str) -> String {
    let subject = client::readable::one_line(job.prompt.trim(), SUBJECT);
    format!("{subject}\n\nMade by an agent (run {run_id}).")
}

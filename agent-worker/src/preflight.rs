//! What has to be true before anything is changed. Whatever is not is said, with what to do.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use client::Client;
use client::readable::{Line, Tone};

use crate::arguments::{Arguments, ExecutionMode};
use crate::execution::cli::Cli;
use crate::git::{self, Repository};
use crate::jobs::{Job, jobs};
use crate::place;
use crate::record::RUNS;
use crate::run::BRANCHES;
use crate::screen::Screen;

/// Who runs the tasks, found and ready.
pub(crate) enum Executor {
    Server(Client),
    Cli(Cli),
}

impl Executor {
    /// What summaries call it.
    pub(crate) const fn mode(&self) -> ExecutionMode {
        match self {
            Self::Server(_) => ExecutionMode::Server,
            Self::Cli(_) => ExecutionMode::Cli,
        }
    }
}

/// Everything that runs need.
pub(crate) struct Ready {
    pub(crate) jobs: Vec<Job>,
    pub(crate) repository: Repository,
    pub(crate) executor: Executor,
    /// The folder of all runs.
    pub(crate) runs: PathBuf,
    /// Where worktrees are made; `None` when the work is done in the project's folder.
    pub(crate) worktrees: Option<PathBuf>,
}

/// Looks at everything. Nothing is made before all of it holds: then git's list of what this machine ignores, and the folder for
/// worktrees. Gives, beside what runs need, a lock that keeps other workers out of the project's folder, where that is worked in.
pub(crate) async fn check(arguments: &Arguments, screen: &Screen) -> anyhow::Result<(Ready, Option<File>)> {
    let jobs = jobs(arguments)?;
    let here = std::env::current_dir().context("the current folder is gone: go to another one")?;
    let project = arguments.project.canonicalize().unwrap_or_else(|_| arguments.project.clone());
    let repository = Repository::of(&project).await?;
    if project.to_str().is_none() {
        bail!("the project's path is no UTF-8: give its folders other names");
    }
    let in_worktrees = arguments.worktree || arguments.tasks.is_some();
    let lock = if in_worktrees { None } else { Some(place::lock(&repository).await?) };
    repository.check_clean().await?;
    check_branches(&repository, &jobs).await?;
    if arguments.commit {
        repository.check_identity().await?;
    }
    if in_worktrees {
        repository.check_committed().await?;
    }
    let executor = executor(arguments, screen).await?;
    git::exclude(&here, &format!("{RUNS}/")).await?;
    let worktrees = if in_worktrees { Some(worktrees(arguments, &repository).await?) } else { None };
    if in_worktrees && repository.has_submodules() {
        let text =
            "submodules are empty in a new worktree: let the task begin with `git submodule update --init`";
        screen.line(&Line::new("note", Tone::Note, text));
    }
    Ok((Ready { jobs, repository, executor, runs: here.join(RUNS), worktrees }, lock))
}

async fn check_branches(repository: &Repository, jobs: &[Job]) -> anyhow::Result<()> {
    for job in jobs {
        match job.branch.as_deref() {
            Some(branch) => repository.check_branch(branch).await?,
            // It is named after the run.
            None => repository.check_neighbours(&format!("{BRANCHES}/run")).await?,
        }
    }
    Ok(())
}

async fn worktrees(arguments: &Arguments, repository: &Repository) -> anyhow::Result<PathBuf> {
    place::worktrees(repository, arguments.worktrees.as_deref().map(Path::new)).await
}

async fn executor(arguments: &Arguments, screen: &Screen) -> anyhow::Result<Executor> {
    match arguments.execution_mode {
        ExecutionMode::Cli => {
            // An empty variable counts as not set.
            let program = arguments.cli.as_deref().filter(|program| !program.is_empty()).map(Path::new);
            Ok(Executor::Cli(Cli::find(program, &arguments.pass_env)?))
        }
        ExecutionMode::Server => {
            let client = Client::new(&arguments.server_url, arguments.server_api_key.as_deref())?;
            let screen = screen.clone();
            let client = client.on_wait(move |why| screen.line(&Line::new("note", Tone::Note, why)));
            let why =
                "--execution-mode server needs a server that takes the key (--server-url, --server-api-key)";
            client.info().await.context(why)?;
            Ok(Executor::Server(client))
        }
    }
}

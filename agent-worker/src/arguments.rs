//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use domain::PermissionMode;

/// Longest time that a server gives a task, in seconds.
const LONGEST: u64 = 2_592_000;

/// Run coding tasks on git branches of their own, and say what they changed and cost.
///
/// Makes a branch, or a worktree, of a clean working tree, runs the task by a Claude Code Server or by the CLI itself, and
/// keeps what happened in .agent_runs/<run id>/ of the current folder. Ctrl-C interrupts; a second one leaves at once.
///
/// Exit codes: 0 completed, 1 failed, 124 timed out, 130 interrupted, 2 refused before anything was done.
#[derive(Debug, Parser)]
#[command(version, group(ArgGroup::new("what").required(true)))]
pub(crate) struct Arguments {
    /// The project: a folder in a git repository.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub(crate) project: PathBuf,
    /// What the agent is to do.
    #[arg(long, group = "what", value_name = "TEXT")]
    pub(crate) task: Option<String>,
    /// A file with what the agent is to do.
    #[arg(long, group = "what", value_name = "FILE")]
    pub(crate) task_file: Option<PathBuf>,
    /// A TOML file with several tasks, which run side by side in worktrees: `[[task]]` with `name`, `prompt`, and if wanted
    /// `branch` and `timeout`.
    #[arg(long, group = "what", value_name = "FILE", conflicts_with = "branch")]
    pub(crate) tasks: Option<PathBuf>,
    /// The branch to be made [default: agent/<run id>].
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Work in a worktree of its own instead of the project's folder.
    #[arg(long)]
    pub(crate) worktree: bool,
    /// Where worktrees are made [default: .agent_worktrees at the top of the repository]. For a server it has to lie under its
    /// WORKSPACE_ROOTS.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) worktrees: Option<PathBuf>,
    /// Commit what a completed task has left uncommitted. Without it the worker commits nothing.
    #[arg(long)]
    pub(crate) commit: bool,
    /// Who runs the task.
    #[arg(long, value_enum, default_value_t = ExecutionMode::Server)]
    pub(crate) execution_mode: ExecutionMode,
    /// The server.
    #[arg(
        long,
        alias = "server",
        env = "CLAUDE_SERVER_URL",
        hide_env_values = true,
        default_value = client::LOCAL_SERVER,
        value_name = "URL"
    )]
    pub(crate) server_url: String,
    /// The server's API key; better given in the environment, since others can read command lines.
    #[arg(
        long,
        alias = "api-key",
        env = "CLAUDE_SERVER_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub(crate) server_api_key: Option<String>,
    /// The CLI, for --execution-mode cli [default: claude on the PATH].
    #[arg(long, env = "CLAUDE_CLI_PATH", value_name = "FILE")]
    pub(crate) cli: Option<OsString>,
    /// A further variable of this environment that the CLI is to have. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) pass_env: Vec<String>,
    /// Longest time that the agent may work on a task, in seconds.
    #[arg(long, default_value_t = 3_600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=LONGEST))]
    pub(crate) timeout: u64,
    /// Most tasks of --tasks at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) parallel: u64,
    /// The model.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Most model answers.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_turns: Option<u32>,
    /// Tools or rules that run without asking, with commas between them.
    #[arg(long, value_delimiter = ',', value_name = "TOOLS")]
    pub(crate) allowed_tools: Option<Vec<String>>,
    /// What happens with the other tools: default, acceptEdits, plan, dontAsk, auto, bypassPermissions.
    #[arg(long, value_name = "MODE", value_parser = permission_mode)]
    pub(crate) permission_mode: Option<PermissionMode>,
}

/// Who runs the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecutionMode {
    /// A Claude Code Server.
    Server,
    /// `claude -p`, as a child of the worker.
    Cli,
}

impl ExecutionMode {
    /// The word on the command line and in summaries.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Cli => "cli",
        }
    }
}

fn permission_mode(word: &str) -> Result<PermissionMode, String> {
    let known = PermissionMode::ALL.into_iter().find(|mode| mode.as_str() == word);
    known.ok_or_else(|| format!("use {}", PermissionMode::ALL.map(PermissionMode::as_str).join(", ")))
}

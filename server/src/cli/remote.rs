//! Commands that are a client of a running server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::{TaskId, TaskStatus};

const STATUSES: [TaskStatus; 5] = [
    TaskStatus::Pending,
    TaskStatus::Running,
    TaskStatus::Completed,
    TaskStatus::Failed,
    TaskStatus::Interrupted,
];

#[derive(Subcommand)]
pub(crate) enum Remote {
    /// Submit a task to a running server, show its events and end with its exit code.
    ///
    /// Ctrl-C interrupts the task; a second one leaves at once. SIGTERM, SIGHUP (a closed terminal; not under `nohup`) and a reader
    /// of the output that goes away (`| head`) interrupt it, too; the exit code is then 130, 143, 129 or 141. With --detach the
    /// task is the server's.
    Run(RunArguments),
    /// List a server's tasks, the newest first.
    Tasks(TasksArguments),
    /// Show where a task is, and what came of it.
    Task(TaskArguments),
    /// Show a task's events until it has ended, and end with its exit code.
    ///
    /// Connects again by itself, also when the server was started anew. Ctrl-C leaves, and so does a reader of the output that
    /// goes away (exit code 141); the task goes on.
    Watch(WatchArguments),
    /// Stop a task; answers when it has ended.
    Interrupt(InterruptArguments),
    /// List a server's sessions, the oldest first.
    Sessions(SessionsArguments),
    /// Show a task's events with their times, from the first on.
    Logs(LogsArguments),
}

/// Which server, as whom.
#[derive(Args)]
pub(crate) struct ServerArguments {
    /// The server.
    #[arg(
        long,
        alias = "server-url",
        env = "CLAUDE_SERVER_URL",
        hide_env_values = true,
        default_value = client::LOCAL_SERVER,
        value_name = "URL"
    )]
    pub(crate) server: String,
    /// The server's API key; better given in the environment, since others can read command lines.
    #[arg(
        long,
        alias = "server-api-key",
        env = "CLAUDE_SERVER_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub(crate) api_key: Option<String>,
}

#[derive(Args)]
pub(crate) struct RunArguments {
    /// What the agent is to do; `-` reads it from stdin.
    pub(crate) prompt: String,
    /// The folder to work in.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub(crate) workspace: PathBuf,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Longest time that the agent may work, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=2_592_000))]
    pub(crate) timeout: Option<u64>,
    /// The model.
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Go on with this session's conversation.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// The task's id, instead of a new one. The same id with the same prompt is the same task, which is not run twice.
    #[arg(long, value_name = "ID", value_parser = task_id)]
    pub(crate) task_id: Option<TaskId>,
    /// Print the task's id and leave it to the server.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Print the events as the server sends them, a JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct TasksArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Only tasks in these: pending, running, completed, failed, interrupted.
    #[arg(long, value_delimiter = ',', value_parser = status)]
    pub(crate) status: Vec<TaskStatus>,
    /// Only this session's.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Most tasks.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) limit: u64,
    /// Print the tasks as the server has them, a JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct TaskArguments {
    /// The task.
    #[arg(value_parser = task_id)]
    pub(crate) id: TaskId,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct WatchArguments {
    /// The task.
    #[arg(value_parser = task_id)]
    pub(crate) id: TaskId,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Begin after the event of this number.
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    pub(crate) after: u64,
    /// Print the events as the server sends them, a JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct InterruptArguments {
    /// The task.
    #[arg(value_parser = task_id)]
    pub(crate) id: TaskId,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Print the server's answer, a JSON object; that of a task which had already ended has `interrupted_at` null.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct SessionsArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Print the sessions as the server has them, a JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct LogsArguments {
    /// The task.
    #[arg(value_parser = task_id)]
    pub(crate) id: TaskId,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Go on until the task has ended, and end with its exit code.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Cut no text.
    #[arg(long)]
    pub(crate) full: bool,
    /// Begin after the event of this number.
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    pub(crate) after: u64,
    /// Print the events as the server sends them, a JSON object a line.
    #[arg(long, conflicts_with = "full")]
    pub(crate) json: bool,
}

fn task_id(text: &str) -> Result<TaskId, domain::IdError> {
    TaskId::parse(text)
}

fn status(word: &str) -> Result<TaskStatus, String> {
    let known = STATUSES.into_iter().find(|status| status.as_str() == word);
    known.ok_or_else(|| format!("use {}", STATUSES.map(TaskStatus::as_str).join(", ")))
}

//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;

use auth::Scopes;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

mod remote;

pub(crate) use remote::{
    InterruptArguments, LogsArguments, Remote, RunArguments, ServerArguments, SessionsArguments,
    TaskArguments, TasksArguments,
};

/// Submit coding tasks to the Claude Code CLI over HTTP, watch them live, stop them.
///
/// An independent project, not Anthropic's. It drives the CLI that you install, with your own API key.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the server. It is configured by flags, environment variables, a .env file and a TOML file.
    Serve(ServeArguments),
    /// Check the configuration, show it, or explain it.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at everything that a server needs, and say what to do about what is missing.
    Doctor(ReportArguments),
    /// Copy all tasks, events, sessions and conversations, while the server runs or not.
    Backup(BackupArguments),
    /// Put a copy back. The server has to be stopped.
    Restore(RestoreArguments),
    /// Make, list and revoke API keys, while the server runs or not.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Print the OpenAPI document of the server's API.
    Openapi,
    /// Watch over the agents of a server; a server starts this itself.
    #[command(hide = true)]
    Warden(WardenArguments),
    #[command(flatten)]
    Remote(Remote),
    /// Print what makes a shell complete this program's commands and flags.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write those of all commands into a folder.
    Man {
        /// The folder, which has to be there.
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServeArguments {
    /// Answer from a script instead of the model API: no key and no network needed.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Address to listen on [env: SERVER_HOST].
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Port to listen on, 0 for any free one [env: SERVER_PORT].
    #[arg(long)]
    pub(crate) port: Option<String>,
    /// A TOML file with settings; the environment and .env go before it [env: CLAUDE_CODE_SERVER_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WardenArguments {
    /// Name of the server's owner.
    #[arg(long)]
    pub(crate) owner: String,
    /// The server's process: its namespace, number and start.
    #[arg(long)]
    pub(crate) server: String,
    /// Until when the lease holds, in milliseconds since the machine was started.
    #[arg(long)]
    pub(crate) until_ms: u64,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every fault, a line each, as a start with the same flags would.
    Check(ServeArguments),
    /// Print every variable's value and where it comes from; secrets are masked.
    Show(ReportArguments),
    /// Print the reference of all variables, as Markdown.
    Reference,
    /// Print an example with all variables and their defaults.
    Example {
        /// A TOML file instead of a .env file.
        #[arg(long)]
        toml: bool,
    },
}

/// A report on what a server with these flags would be.
#[derive(Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct BackupArguments {
    /// The folder to be made.
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
}

/// Where a server's data is.
#[derive(Args)]
pub(crate) struct DataArguments {
    /// The server's data folder, if not the one that the server's configuration names [env: STORAGE_DATA_DIR].
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// The server's TOML file [env: CLAUDE_CODE_SERVER_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RestoreArguments {
    /// The folder that a backup made.
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// Replace the database that is there.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key. It is printed this once; only its digest is kept.
    Create(CreateKeyArguments),
    /// Show all keys, without what is secret of them.
    List(KeysArguments),
    /// Take a key out of use: from the next request on it counts no more.
    Revoke(RevokeKeyArguments),
}

#[derive(Args)]
pub(crate) struct KeysArguments {
    #[command(flatten)]
    pub(crate) data: DataArguments,
    /// The file of the keys [env: API_KEYS_FILE; default: keys.json in the data folder].
    #[arg(long)]
    pub(crate) keys_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CreateKeyArguments {
    /// What the key is called.
    pub(crate) name: String,
    /// What it allows: tasks:read, tasks:write, tasks:*, sessions:read, sessions:write, sessions:*, admin. May be given
    /// several times or with commas between them.
    #[arg(long = "scope", value_delimiter = ',', default_values = ["tasks:*", "sessions:*"])]
    pub(crate) scopes: Vec<Scopes>,
    /// Whose tasks and sessions it works with [default: the name]. Keys of one principal share them.
    #[arg(long)]
    pub(crate) principal: Option<String>,
    /// For how many days it can be used [default: for ever].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    pub(crate) expires_in_days: Option<u64>,
    /// How many requests a minute it may make, instead of API_RATE_LIMIT_PER_MINUTE.
    #[arg(long)]
    pub(crate) requests_per_minute: Option<NonZeroU32>,
    /// How many tasks of its principal may run at once; others wait.
    #[arg(long)]
    pub(crate) max_running: Option<NonZeroU32>,
    #[command(flatten)]
    pub(crate) keys: KeysArguments,
}

#[derive(Args)]
pub(crate) struct RevokeKeyArguments {
    /// The key's id or name.
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) keys: KeysArguments,
}

//! Where a run was made, and of what.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};
use testing::{pinned_cli, server_program};

/// A machine and what was on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The commit; `+` when there was more than it holds.
    pub(crate) commit: String,
    /// The processor.
    pub(crate) cpu: String,
    /// Its cores.
    pub(crate) cores: usize,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// The system.
    pub(crate) kernel: String,
    /// Versions of programs.
    pub(crate) versions: Versions,
}

/// Versions of what was measured; `unknown` when a program does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    /// Our server.
    pub(crate) server: String,
    /// The CLI that real agents are.
    pub(crate) cli: String,
    /// Redis.
    pub(crate) redis: String,
    /// SQLite.
    pub(crate) sqlite: String,
    /// The compiler.
    pub(crate) rustc: String,
}

impl Machine {
    /// The one that this runs on.
    pub(crate) fn this() -> Self {
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 =
            memory.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default();
        Self {
            commit: commit(),
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kib / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            versions: Versions {
                server: version(&mut isolated(&server_program())),
                cli: version(&mut isolated(&pinned_cli())),
                redis: testing::redis_version().unwrap_or_else(unknown),
                sqlite: rusqlite::version().to_owned(),
                rustc: version(&mut Command::new("rustc")),
            },
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let (_, value) = text.lines().find(|line| line.starts_with(name))?.split_once(':')?;
    Some(value.trim().to_owned())
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first word of what a program says of itself that begins with a digit.
fn version(command: &mut Command) -> String {
    let text = output(command.arg("--version")).unwrap_or_default();
    let mut words = text.split_whitespace();
    words
        .find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()))
        .map_or_else(unknown, str::to_owned)
}

/// Without this machine's environment: the CLI would look for its settings.
fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", "/nonexistent");
    command
}

fn git(arguments: &[&str]) -> Option<String> {
    output(Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments))
}

fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return unknown() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_some_and(|changed| !changed.is_empty()) { format!("{commit}+") } else { commit }
}

#[cfg(test)]
impl Machine {
    /// One of which nothing is known.
    pub(crate) fn unknown() -> Self {
        let versions = Versions {
            server: unknown(),
            cli: unknown(),
            redis: unknown(),
            sqlite: unknown(),
            rustc: unknown(),
        };
        Self { commit: unknown(), cpu: unknown(), cores: 2, memory_mib: 1, kernel: unknown(), versions }
    }
}

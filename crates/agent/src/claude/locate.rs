//! Finds the CLI and asks it for its version.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claude_protocol::{CliVersion, MINIMUM_VERSION};
use process::{Ladder, Limits, Owner, Spec};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// Where the project's pinned install puts the CLI, below the project's folder.
#[cfg(target_arch = "x86_64")]
const PLATFORM_PACKAGES: [&str; 2] = ["claude-code-linux-x64", "claude-code-linux-x64-musl"];
#[cfg(not(target_arch = "x86_64"))]
const PLATFORM_PACKAGES: [&str; 2] = ["claude-code-linux-arm64", "claude-code-linux-arm64-musl"];

/// The CLI answers in 0.1 s, or 0.7 s when the binary has to be read from disk.
const VERSION_WITHIN: Duration = Duration::from_secs(30);
/// More than any version line.
const VERSION_BYTES: u64 = 4096;

/// A CLI that can be driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cli {
    /// Its binary: an absolute path.
    pub program: PathBuf,
    /// What it says it is.
    pub version: CliVersion,
}

/// Why there is no CLI to drive. Each message says what to run.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// Not where the configuration says.
    #[error("CLAUDE_CLI_PATH={} is not an executable file: correct it, or leave it out to use the pinned CLI", .0.display())]
    NotThere(PathBuf),
    /// Nowhere.
    #[error(
        "the Claude Code CLI is not installed: run `npm ci` in the project's folder agent-cli, or set CLAUDE_CLI_PATH"
    )]
    NotFound,
    /// There, but it does not tell its version.
    #[error("{} does not tell its version ({reason}): reinstall it with `npm ci` in the project's folder agent-cli", .program.display())]
    NoVersion {
        /// The binary.
        program: PathBuf,
        /// What happened instead.
        reason: String,
    },
    /// There, but older than what this server was made for.
    #[error("{} is Claude Code {version}, and at least {MINIMUM_VERSION} is needed: run `npm ci` in the project's folder agent-cli", .program.display())]
    TooOld {
        /// The binary.
        program: PathBuf,
        /// What it is.
        version: CliVersion,
    },
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Finds the binary: the configured one, else the pinned install next to one of `near` or above it, else `claude`
/// on `search_path`.
///
/// # Errors
/// When there is none.
pub fn locate(
    configured: Option<&Path>,
    near: &[PathBuf],
    search_path: &OsStr,
) -> Result<PathBuf, LocateError> {
    if let Some(path) = configured {
        let absolute = std::path::absolute(path).ok().filter(|path| is_executable(path));
        return absolute.ok_or_else(|| LocateError::NotThere(path.to_owned()));
    }
    let pinned = near.iter().flat_map(|place| place.ancestors()).flat_map(|folder| {
        PLATFORM_PACKAGES
            .map(|package| folder.join("agent-cli/node_modules/@anthropic-ai").join(package).join("claude"))
    });
    let on_path = std::env::split_paths(search_path).map(|folder| folder.join("claude"));
    let mut candidates = pinned.chain(on_path).filter(|path| path.is_absolute());
    candidates.find(|path| is_executable(path)).ok_or(LocateError::NotFound)
}

/// Asks the binary for its version, with an environment that holds nothing but `PATH` and `home` as its home.
///
/// # Errors
/// When it does not answer, or is too old.
pub async fn probe(program: PathBuf, home: &Path, owner: &Owner) -> Result<Cli, LocateError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let spec = Spec {
        program: program.clone(),
        args: vec!["--version".into()],
        env: vec![
            ("PATH".into(), path),
            ("HOME".into(), home.into()),
            ("CLAUDE_CONFIG_DIR".into(), home.into()),
            ("DISABLE_AUTOUPDATER".into(), "1".into()),
        ],
        cwd: home.to_owned(),
        owner: owner.clone(),
        limits: Limits::default(),
        cgroup: None,
    };
    let unknown = |reason: String| LocateError::NoVersion { program: program.clone(), reason };
    let child = process::spawn(spec).await.map_err(|error| unknown(error.to_string()))?;
    let mut answer = String::new();
    let mut stdout = child.stdout.take(VERSION_BYTES);
    drop(child.stdin);
    let read = timeout(VERSION_WITHIN, stdout.read_to_string(&mut answer)).await;
    child
        .life
        .stop(Ladder { exit_grace: Duration::from_secs(1), term_grace: Duration::from_millis(500) })
        .await;
    match read {
        Err(_) => return Err(unknown(format!("no answer within {} seconds", VERSION_WITHIN.as_secs()))),
        Ok(Err(error)) => return Err(unknown(error.to_string())),
        Ok(Ok(_)) => {}
    }
    let version: CliVersion = answer.parse().map_err(|error| unknown(format!("{error}")))?;
    if version < MINIMUM_VERSION {
        return Err(LocateError::TooOld { program, version });
    }
    Ok(Cli { program, version })
}

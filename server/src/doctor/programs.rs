//! The programs that a server starts, and what opens the model API to them.

use std::os::unix::fs::PermissionsExt;

use agent::claude::{Cli, probe};
use anyhow::Context;
use process::Owner;
use serde_json::Value;

use super::Check;
use crate::config::{Config, Layers, Origin, credential_variable};
use crate::serve::locate_cli;

/// What the project installs.
const PINNED: &str = include_str!("../../../agent-cli/package.json");

/// Starts the CLI as a server does, with a home that is thrown away.
pub(super) fn check_cli(config: &Config) -> Check {
    const NAME: &str = "cli";
    let Cli { program, version } = match find(config) {
        Ok(cli) => cli,
        Err(error) => return Check::fail(NAME, format!("{error:#}")),
    };
    let found = format!("{} is Claude Code {version}", program.display());
    match pinned_version() {
        Some(pinned) if pinned != version.to_string() => {
            Check::warn(NAME, format!("{found}; this server was tested with {pinned}: rather install that"))
        }
        _ => Check::ok(NAME, found),
    }
}

fn find(config: &Config) -> anyhow::Result<Cli> {
    let program = locate_cli(config)?;
    let home = tempfile::tempdir().context("no temporary folder can be made: set TMPDIR to one")?;
    let owner = Owner::new(&format!("doctor-{}", std::process::id()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the runtime could not be started")?;
    Ok(runtime.block_on(probe(program, home.path(), &owner))?)
}

fn pinned_version() -> Option<String> {
    let package: Value = serde_json::from_str(PINNED).ok()?;
    package["dependencies"]["@anthropic-ai/claude-code"].as_str().map(str::to_owned)
}

/// Says which variable holds it and whether others can read the file that it is in; never the value.
pub(super) fn check_credential(config: &Config, layers: &Layers) -> Check {
    const NAME: &str = "credential";
    let Some(name) = credential_variable(layers).filter(|_| config.credential.is_some()) else {
        return Check::ok(NAME, "none is needed in demo mode");
    };
    let file = match layers.get(name).map(|setting| &setting.origin) {
        Some(Origin::DotEnv) => ".env",
        Some(Origin::File { path, .. }) => path.as_str(),
        _ => return Check::ok(NAME, format!("{name} is set")),
    };
    match std::fs::metadata(file) {
        Ok(found) if found.permissions().mode() & 0o077 == 0 => {
            Check::ok(NAME, format!("{name} is set in {file}"))
        }
        _ => Check::warn(NAME, format!("{name} is in {file}, which other users may read: chmod 600 {file}")),
    }
}

pub(super) fn check_git() -> Check {
    const NAME: &str = "git";
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&search_path).map(|folder| folder.join("git"));
    let is_program = |path: &std::path::PathBuf| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    match candidates.find(is_program) {
        Some(path) => Check::ok(NAME, path.display().to_string()),
        None => Check::warn(NAME, "not on PATH: install it, agents work with repositories"),
    }
}

//! Commands of the binary that end by themselves.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::BINARY;

/// Runs the binary in a folder, with these variables and no others; gives exit code, stdout and stderr.
pub(crate) async fn run(
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear().envs(variables.iter().copied()).current_dir(folder);
    outcome(command.stdin(Stdio::null()).output().await.expect("a process"))
}

/// What a process ended with, as text.
pub(crate) fn outcome(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

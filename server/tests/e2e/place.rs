//! A folder that outlives the servers on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testing::{Server, ServerBuilder, which_mention};
use tokio::time::Instant;

use crate::BINARY;

/// For the processes that a failed test leaves.
const CLEANED_WITHIN: Duration = Duration::from_secs(10);

/// The folder that several servers use, one after the other. Whoever mentions it was started by this test, and is killed
/// with it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("workspaces")).expect("made");
        Self(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A workspace, made.
    pub(crate) fn workspace(&self, name: &str) -> PathBuf {
        let path = self.path("workspaces").join(name);
        std::fs::create_dir_all(&path).expect("made");
        path.canonicalize().expect("there")
    }

    /// The folder that agents, and nobody else, have in their environment.
    pub(crate) fn agents_folder(&self) -> PathBuf {
        self.path("data").join("agents")
    }

    /// Starts a server on it, with agents that run this program.
    pub(crate) async fn server(&self, cli: &Path, variables: &[(&str, &str)]) -> Server {
        let mut builder = ServerBuilder::demo(BINARY)
            .variable("CLAUDE_CLI_PATH", &cli.display().to_string())
            .variable("STORAGE_DATA_DIR", &self.path("data").display().to_string())
            .variable("WORKSPACE_ROOTS", &self.path("workspaces").display().to_string());
        for (name, value) in variables {
            builder = builder.variable(name, value);
        }
        builder.start().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let deadline = Instant::now() + CLEANED_WITHIN;
        loop {
            let left = which_mention(self.0.path());
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in left.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
                // One that has just ended needs no signal.
                kill_process(pid, Signal::KILL).ok();
            }
            std::thread::yield_now();
        }
    }
}

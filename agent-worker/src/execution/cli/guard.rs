//! Outlives a worker that is killed for as long as it takes to end its CLI. The kernel asks the CLI to end when the worker dies; one
//! that does not heed that is killed by this.

use process::{Child, Ladder, Limits, SpawnError, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;

use crate::owner;

/// Heeds no request to end itself, says that it is there, learns whom to watch, waits for the worker's end of the pipe to close, and
/// gives the CLI two seconds. The CLI leads a group of its own.
const SCRIPT: &str =
    "trap '' TERM HUP INT; echo; read -r cli; read -r end; sleep 2; kill -s KILL -- \"-$cli\" 2>/dev/null";
/// It has nothing to save.
const AT_ONCE: Ladder =
    Ladder { exit_grace: std::time::Duration::ZERO, term_grace: std::time::Duration::ZERO };

/// A guard that waits. Dropping it ends it.
pub(super) struct Guard {
    life: process::Life,
    /// Closed by whatever ends the worker.
    pipe: ChildStdin,
}

impl Guard {
    /// One that is there, and knows nobody yet: it has to be before the CLI is.
    pub(super) async fn start() -> Result<Self, String> {
        let spec = Spec {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), SCRIPT.into()],
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: "/".into(),
            owner: owner().map_err(|error| error.to_string())?,
            limits: Limits::default(),
            cgroup: None,
        };
        let started = process::spawn(spec).await.map_err(|error: SpawnError| error.to_string())?;
        let Child { stdin: pipe, mut stdout, life } = started;
        stdout.read_u8().await.map_err(|error| format!("/bin/sh says nothing: {error}"))?;
        Ok(Self { life, pipe })
    }

    /// Tells it whom to watch.
    pub(super) async fn watch(&mut self, cli: u32) -> Result<(), String> {
        self.pipe.write_all(format!("{cli}\n").as_bytes()).await.map_err(|error| error.to_string())
    }

    /// The CLI has ended: its number may soon be another's.
    pub(super) async fn dismiss(self) {
        self.life.stop(AT_ONCE).await;
    }
}

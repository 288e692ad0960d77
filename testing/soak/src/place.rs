//! The folder and the port of a run, and the servers on it, one after the other.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testing::{pinned_cli, stub_agent, which_mention};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::load::REAL_MODEL;

const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// How long agents may outlive their server. The kernel tells them at once, and the CLI then ends its own children: up to 1.6 s by itself
/// (protocol section 11.2), and more where others work too.
const GONE_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at what has no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What the servers are set to, besides folders, port and agent. The database stays small, so that an hour has many turns of it.
pub(crate) const SETTINGS: [(&str, &str); 12] = [
    ("STORAGE_TYPE", "sqlite"),
    ("STORAGE_SYNC", "normal"),
    ("STORAGE_KEEP_TASKS", "3000"),
    ("STORAGE_KEEP_MB", "64"),
    ("SESSION_MAX_CONCURRENT", "32"),
    ("SESSION_IDLE_TIMEOUT_SECONDS", "10"),
    ("SESSION_CLEANUP_INTERVAL_SECONDS", "5"),
    ("TASK_MAX_QUEUE_SIZE", "1000"),
    ("SERVER_WORKERS", "2"),
    ("SERVER_LOG_LEVEL", "WARN"),
    ("MONITORING_LOGGING_FORMAT", "json"),
    ("MONITORING_PROMETHEUS_ENABLED", "false"),
];

/// Where the servers run.
pub(crate) struct Place {
    folder: TempDir,
    binary: PathBuf,
    port: u16,
    model_url: String,
}

/// A server that runs. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    pub(crate) pid: u32,
    /// From its start to its first answer.
    pub(crate) ready_after: Duration,
}

impl Place {
    pub(crate) fn new(binary: &Path, model_url: String) -> anyhow::Result<Self> {
        let binary = binary.canonicalize().with_context(|| format!("{} is not there", binary.display()))?;
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("workspaces"))?;
        // Taken again by every server: callers come back to the address that they know.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let place = Self { folder, binary, port, model_url };
        place.write_agent()?;
        Ok(place)
    }

    /// One program that is the real CLI for the real model, and the stub for all else: a server knows only one.
    fn write_agent(&self) -> anyhow::Result<()> {
        let (real, stub) = (pinned_cli(), stub_agent());
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
        let text = format!(
            "#!/bin/sh\ncase \" $* \" in *--model={REAL_MODEL}*) exec {} \"$@\";; esac\nexec {} \"$@\"\n",
            quoted(&real),
            quoted(&stub)
        );
        std::fs::write(self.agent(), text)?;
        std::fs::set_permissions(self.agent(), std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn agent(&self) -> PathBuf {
        self.folder.path().join("agent")
    }

    /// `host:port`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn workspace(&self) -> anyhow::Result<PathBuf> {
        Ok(self.folder.path().join("workspaces").canonicalize()?)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What all servers wrote.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    fn log_file(&self) -> std::io::Result<File> {
        OpenOptions::new().append(true).create(true).open(self.log())
    }

    /// What the binary calls itself.
    pub(crate) async fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.binary).arg("--version").env_clear().output().await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts a server, and waits until it answers.
    pub(crate) async fn start(&self) -> anyhow::Result<Process> {
        let began = Instant::now();
        let folder = self.folder.path();
        let child = Command::new(&self.binary)
            .arg("serve")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("STORAGE_DATA_DIR", self.data())
            .env("WORKSPACE_ROOTS", folder.join("workspaces"))
            .env("CLAUDE_CLI_PATH", self.agent())
            .env("CLAUDE_API_KEY", "dummy")
            .env("CLAUDE_BASE_URL", &self.model_url)
            .env("SERVER_PORT", self.port.to_string())
            .envs(SETTINGS)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(self.log_file()?)
            .stderr(self.log_file()?)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().context("the server ended at once")?;
        let mut process = Process { child, pid, ready_after: Duration::ZERO };
        let http = reqwest::Client::builder().no_proxy().timeout(START_WITHIN).build()?;
        let health = format!("http://{}/health", self.address());
        while !http.get(&health).send().await.is_ok_and(|answer| answer.status() == 200) {
            if let Some(status) = process.child.try_wait()? {
                bail!("the server did not start: {status}; see its log {}", self.log().display());
            }
            ensure!(began.elapsed() < START_WITHIN, "the server did not answer in time");
            sleep(LOOK_EVERY).await;
        }
        process.ready_after = began.elapsed();
        Ok(process)
    }

    /// The processes that are left of a server that has ended, after they had time to go; and how long they took.
    pub(crate) async fn left(&self) -> (Vec<u32>, Duration) {
        let began = Instant::now();
        loop {
            let left = which_mention(self.folder.path());
            if left.is_empty() || began.elapsed() > GONE_WITHIN {
                return (left, began.elapsed());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Keeps the folder for whoever looks into it.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

impl Process {
    /// Whether it has ended by itself.
    pub(crate) fn has_died(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Ends it with SIGTERM; gives how it ended and how long it took.
    pub(crate) async fn terminate(&mut self) -> anyhow::Result<(ExitStatus, Duration)> {
        let began = Instant::now();
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("a pid")?;
        kill_process(pid, Signal::TERM)?;
        let status = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await;
        let Ok(status) = status else {
            self.child.kill().await?;
            bail!("it did not end within {STOP_WITHIN:?} of SIGTERM");
        };
        Ok((status?, began.elapsed()))
    }

    /// Ends it with SIGKILL.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<(ExitStatus, Duration)> {
        let began = Instant::now();
        self.child.start_kill()?;
        Ok((self.child.wait().await?, began.elapsed()))
    }
}

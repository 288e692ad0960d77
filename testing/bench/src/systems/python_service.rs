//! What one would write today with the official SDK for Python: `python-service/service.py`, for comparison. It answers a
//! submission before it has done anything, and keeps all in memory.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testing::{pinned_cli, stub_agent};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::{Agent, Parts, Running, System, Wants};

/// About a twentieth of the server's events a second.
const SHARE: f64 = 0.1;
const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Between two questions whether it answers: less than its figures are told to.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// The service, run by an interpreter that has what it needs.
pub(crate) struct PythonService {
    interpreter: PathBuf,
}

struct PythonParts {
    child: Child,
    folder: TempDir,
}

impl PythonService {
    /// Where `install_python_service` (`python-service/install.sh`) has put the interpreter; `None` when it has not.
    pub(crate) fn installed() -> Option<Self> {
        let interpreter = bench_folder().join("../../.tools/python-service/bin/python");
        interpreter.is_file().then_some(Self { interpreter })
    }

    /// Whatever it asks of the environment. Its own folder is its home, and it has no key but a dummy.
    fn command(&self, wants: &Wants, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.interpreter);
        command
            .arg(bench_folder().join("python-service/service.py"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("PORT", port.to_string())
            .env("MAX_CONCURRENT", wants.agents.to_string())
            .env("CLAUDE_CONFIG_DIR", folder.join("config"))
            .env("ANTHROPIC_API_KEY", "dummy")
            .env("DISABLE_AUTOUPDATER", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        match &wants.agent {
            Agent::Stub => command.env("CLAUDE_CLI_PATH", stub_agent()),
            Agent::Real { model_url } => {
                command.env("CLAUDE_CLI_PATH", pinned_cli()).env("ANTHROPIC_BASE_URL", model_url)
            }
        };
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn bench_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[async_trait]
impl System for PythonService {
    fn name(&self) -> &str {
        "python"
    }

    fn share(&self) -> f64 {
        SHARE
    }

    async fn start(&self, wants: Wants) -> Result<Running> {
        let folder = tempfile::tempdir()?;
        let workspaces = folder.path().join("workspaces");
        std::fs::create_dir(&workspaces)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = self.command(&wants, folder.path(), port);
        let began = Instant::now();
        let mut child = command.spawn()?;
        let pid = child.id().context("it ended at once")?;
        let address = format!("127.0.0.1:{port}");
        let http = reqwest::Client::builder().no_proxy().build()?;
        while http.get(format!("http://{address}/health")).send().await.is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("the service in Python ended with {status}");
            }
            ensure!(began.elapsed() < START_WITHIN, "the service in Python does not answer");
            sleep(ASK_EVERY).await;
        }
        let ready_after = began.elapsed();
        let workspaces = workspaces.canonicalize()?;
        Running::new(address, pid, ready_after, workspaces, Box::new(PythonParts { child, folder }))
    }
}

#[async_trait]
impl Parts for PythonParts {
    async fn stop(mut self: Box<Self>) -> Result<()> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(pid.context("it has ended by itself")?, Signal::TERM)?;
        // Its exit code after SIGTERM is the signal's.
        timeout(STOP_WITHIN, self.child.wait()).await.context("it does not end")??;
        drop(self.folder);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

//! The two services that are compared, started in the same way.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testing::{pinned_cli, stub_agent};
use tokio::process::{Child, Command};
use tokio::time::sleep;

const START_WITHIN: Duration = Duration::from_secs(60);
/// Between two questions whether it answers: less than the figures are told to.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// Agents at once, for both.
const AGENTS: &str = "10";

/// Whose agents.
#[derive(Clone, Copy)]
pub(crate) enum Agent {
    Stub,
    Real,
}

/// Which service.
#[derive(Clone)]
pub(crate) enum Kind {
    /// Our server's binary.
    Ours(PathBuf),
    /// An interpreter that has what `service.py` needs.
    Python(PathBuf),
}

/// A service that runs. Dropping it kills it.
pub(crate) struct Service {
    child: Child,
    address: String,
    folder: TempDir,
    http: reqwest::Client,
    /// From its start to its first answer.
    pub(crate) ready_after: Duration,
}

impl Kind {
    fn command(&self, folder: &Path, port: u16, cli: &Path, model_url: &str) -> Command {
        let mut command = match self {
            Self::Ours(binary) => Command::new(binary),
            Self::Python(interpreter) => Command::new(interpreter),
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
        command.env("CLAUDE_CLI_PATH", cli);
        match self {
            Self::Ours(_) => command
                .arg("serve")
                .env("SERVER_PORT", port.to_string())
                .env("SERVER_LOG_LEVEL", "WARN")
                .env("MONITORING_PROMETHEUS_ENABLED", "false")
                .env("STORAGE_DATA_DIR", folder.join("data"))
                .env("WORKSPACE_ROOTS", folder.join("workspaces"))
                .env("SESSION_MAX_CONCURRENT", AGENTS)
                .env("TASK_MAX_QUEUE_SIZE", "10000")
                .env("CLAUDE_API_KEY", "dummy")
                .env("CLAUDE_BASE_URL", model_url),
            Self::Python(_) => command
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/python-service/service.py"))
                .env("PORT", port.to_string())
                .env("MAX_CONCURRENT", AGENTS)
                .env("CLAUDE_CONFIG_DIR", folder.join("config"))
                .env("ANTHROPIC_API_KEY", "dummy")
                .env("ANTHROPIC_BASE_URL", model_url)
                .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
                .env("DISABLE_AUTOUPDATER", "1"),
        };
        command
    }

    /// Starts it in a folder of its own, and waits until it answers.
    pub(crate) async fn start(&self, agent: Agent, model_url: &str) -> Service {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("workspaces")).expect("made");
        let port = free_port();
        let cli = match agent {
            Agent::Stub => stub_agent(),
            Agent::Real => pinned_cli(),
        };
        let began = Instant::now();
        let child = self
            .command(folder.path(), port, &cli, model_url)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let address = format!("127.0.0.1:{port}");
        let mut service = Service { child, address, folder, http, ready_after: Duration::ZERO };
        while service.get("/health").await.is_none() {
            assert!(service.child.try_wait().expect("a state").is_none(), "it has ended");
            assert!(began.elapsed() < START_WITHIN, "it does not answer");
            sleep(ASK_EVERY).await;
        }
        service.ready_after = began.elapsed();
        service
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Service {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// `host:port`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await.ok()?;
        let text = answer.text().await.ok()?;
        serde_json::from_str(&text).ok()
    }

    async fn post(&self, path: &str, body: &Value) -> Duration {
        let began = Instant::now();
        let request = self.http.post(format!("http://{}{path}", self.address)).json(body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert_eq!(status, 200, "{text}");
        began.elapsed()
    }

    /// Submits a task; gives how long the answer took.
    pub(crate) async fn submit(&self, id: &str, prompt: &str) -> Duration {
        let workspace = self.folder.path().join("workspaces").canonicalize().expect("there");
        self.post("/api/v1/tasks", &json!({"task_id": id, "prompt": prompt, "workspace": workspace})).await
    }

    /// Interrupts a task.
    pub(crate) async fn interrupt(&self, id: &str) {
        self.post(&format!("/api/v1/tasks/{id}/interrupt"), &json!({})).await;
    }

    /// Ends it.
    pub(crate) async fn end(mut self) {
        self.child.kill().await.expect("a kill");
    }
}

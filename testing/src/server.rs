//! One server process.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{EventStream, stub_agent};

const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(40);

/// The CLI that the project pins. Fails with what to do when it is not installed.
pub fn pinned_cli() -> PathBuf {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent-cli/node_modules/@anthropic-ai");
    let packages = ["claude-code-linux-x64", "claude-code-linux-arm64"];
    let found =
        packages.map(|package| modules.join(package).join("claude")).into_iter().find(|path| path.is_file());
    found.expect("the Claude Code CLI is not installed: run `npm ci` in the folder agent-cli")
}

/// What a server is started with.
pub struct ServerBuilder {
    binary: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    folder: TempDir,
    stdin: Option<OwnedFd>,
}

impl ServerBuilder {
    /// A server in demo mode on a free port, with folders of its own.
    pub fn demo(binary: &str) -> Self {
        Self::bare(binary).argument("--demo")
    }

    /// A server in demo mode whose agents are stubs: fast, without a model, and their prompts say what they do.
    pub fn stub(binary: &str) -> Self {
        Self::with_cli(binary, &stub_agent()).argument("--demo")
    }

    /// A server that still needs a key or demo mode.
    pub fn bare(binary: &str) -> Self {
        Self::with_cli(binary, &pinned_cli())
    }

    /// A server whose agents are that program; it still needs a key or demo mode.
    pub fn with_cli(binary: &str, cli: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("workspaces")).expect("made");
        Self {
            binary: binary.into(),
            arguments: vec!["serve".into()],
            variables: Vec::new(),
            folder,
            stdin: None,
        }
        .variable("CLAUDE_CLI_PATH", &cli.display().to_string())
        .variable("SERVER_PORT", "0")
        .variable("MONITORING_PROMETHEUS_ENABLED", "false")
        .variable("SERVER_LOG_LEVEL", "debug")
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Lets it be started by a shell script, which has the binary's path as `$0` and its arguments as `$@`.
    #[must_use]
    pub fn through(mut self, script: &str) -> Self {
        let binary = std::mem::replace(&mut self.binary, "/bin/sh".into());
        let start = ["-c".to_owned(), script.to_owned(), binary.display().to_string()];
        self.arguments.splice(0..0, start);
        self
    }

    /// What it is started with as stdin.
    #[must_use]
    pub fn stdin(mut self, stdin: OwnedFd) -> Self {
        self.stdin = Some(stdin);
        self
    }

    fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The folder of this server's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("STORAGE_DATA_DIR", self.folder.path().join("data"))
            .env("WORKSPACE_ROOTS", self.folder.path().join("workspaces"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(
                self.stdin
                    .as_ref()
                    .map_or_else(Stdio::null, |stdin| stdin.try_clone().expect("a descriptor").into()),
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts a server that is expected to refuse its start; gives its exit code and stderr.
    pub async fn refused(self) -> (Option<i32>, String) {
        let output =
            timeout(START_WITHIN, self.command().output()).await.expect("an end in time").expect("a process");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Starts it, and waits until it listens.
    pub async fn start(self) -> Server {
        let mut child = self.command().spawn().expect("a process");
        let mut log = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let stderr = child.stderr.take().expect("stderr");
        let mut metrics_url = None;
        let listening = timeout(START_WITHIN, async {
            while let Some(line) = log.next_line().await.expect("a log") {
                let entry: Value = serde_json::from_str(&line).expect("a log line is JSON");
                if entry["message"] == "metrics are served" {
                    metrics_url = entry["url"].as_str().map(str::to_owned);
                }
                if entry["message"] == "listening" {
                    return entry["url"].as_str().map(str::to_owned);
                }
            }
            None
        });
        let Some(url) = listening.await.expect("a start in time") else {
            panic!("the server did not start: {}", read_all(stderr).await)
        };
        let log = tokio::spawn(async move {
            let mut lines = Vec::new();
            while let Ok(Some(line)) = log.next_line().await {
                lines.push(line);
            }
            lines
        });
        Server { child, log, stderr, url, metrics_url, folder: self.folder, http: http_client() }
    }
}

fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("an HTTP client")
}

async fn read_all(mut stderr: ChildStderr) -> String {
    let mut text = String::new();
    stderr.read_to_string(&mut text).await.expect("stderr");
    text
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    log: JoinHandle<Vec<String>>,
    stderr: ChildStderr,
    url: String,
    metrics_url: Option<String>,
    folder: TempDir,
    http: reqwest::Client,
}

/// A server that has ended in order.
pub struct Stopped {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it logged.
    pub log: Vec<String>,
    /// Its stderr.
    pub stderr: String,
    /// Its folder.
    pub folder: TempDir,
}

impl Server {
    /// `http://address`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its metrics are served, if they are.
    pub fn metrics_url(&self) -> Option<&str> {
        self.metrics_url.as_deref()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// The folder of this server's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that agents, and nobody else, have in their environment.
    pub fn agents_folder(&self) -> PathBuf {
        self.folder.path().join("data").join("agents")
    }

    /// A workspace, made.
    pub fn workspace(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join("workspaces").join(name);
        std::fs::create_dir_all(&path).expect("made");
        path.canonicalize().expect("there")
    }

    /// A request to a path.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request; gives status and body.
    pub async fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let body = response.text().await.expect("a body");
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> (u16, Value) {
        Self::send(self.request("GET", path)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        Self::send(self.request("POST", path).json(body)).await
    }

    /// Submits a task that has to be admitted.
    pub async fn submit(&self, body: &Value) -> Value {
        let (status, answer) = self.post("/api/v1/tasks", body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Opens a task's stream, with a query such as `?after=3`.
    pub async fn stream(&self, task: &str, query: &str) -> EventStream {
        let base = self.url.replacen("http", "ws", 1);
        EventStream::open(&format!("{base}/ws/tasks/{task}{query}"), &[]).await
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("a signal");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills it, as a crash would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a kill");
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Stopped {
        let status =
            timeout(STOP_WITHIN, self.child.wait()).await.expect("an end in time").expect("a status");
        let log = self.log.await.expect("a log");
        Stopped { code: status.code(), log, stderr: read_all(self.stderr).await, folder: self.folder }
    }
}

//! A folder with a repository, whoever runs its tasks, and the worker that is called from beside it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use scripted_model::{Options, ScriptedModel};
use serde_json::Value;
use tempfile::TempDir;
use testing::{Server, ServerBuilder, Signal, pinned_cli, server_program, stub_agent};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(90);

pub(crate) struct World(TempDir);

/// Who runs the tasks.
pub(crate) enum Executor {
    Server(Box<Server>),
    Cli(ScriptedModel),
}

impl Executor {
    pub(crate) fn of(server: Server) -> Self {
        Self::Server(Box::new(server))
    }

    /// The server; `None` where there is only the CLI.
    pub(crate) fn server(&self) -> Option<&Server> {
        match self {
            Self::Server(server) => Some(server),
            Self::Cli(_) => None,
        }
    }
}

impl World {
    /// A folder with the repository `project` of one commit.
    pub(crate) fn new() -> Self {
        let world = Self(tempfile::tempdir().expect("a folder"));
        for folder in ["home", "here", "repositories/project/sub"] {
            std::fs::create_dir_all(world.path(folder)).expect("made");
        }
        world.git(&["init", "--quiet", "--initial-branch=main"]);
        world.git(&["config", "user.name", "Somebody"]);
        world.git(&["config", "user.email", "somebody@localhost"]);
        world.write("a.txt", "one\ntwo\nthree\n");
        world.write("sub/s.txt", "s\n");
        world.write(".gitignore", "ignored.txt\n");
        world.git(&["add", "--all"]);
        world.git(&["commit", "--quiet", "--message=first"]);
        world
    }

    /// A path below the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().expect("there").join(name)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.path("repositories/project")
    }

    /// The folder that the worker is called from.
    pub(crate) fn here(&self) -> PathBuf {
        self.path("here")
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.project().join(name), text).expect("written");
    }

    /// Calls git in the project; gives what it says, without the last line end.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.project(), arguments)
    }

    pub(crate) fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .output()
            .expect("git");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// A server that may work in the repositories, with what is kept in this folder. It can be started again.
    pub(crate) async fn server(&self, cli: &Path, variables: &[(&str, &str)]) -> Server {
        let binary = server_program();
        let mut builder = ServerBuilder::demo(binary.to_str().expect("UTF-8"))
            .variable("CLAUDE_CLI_PATH", &cli.display().to_string())
            .variable("STORAGE_DATA_DIR", &self.path("data").display().to_string())
            .variable("WORKSPACE_ROOTS", &self.path("repositories").display().to_string());
        for (name, value) in variables {
            builder = builder.variable(name, value);
        }
        builder.start().await
    }

    /// A server with the real CLI.
    pub(crate) async fn by_server(&self) -> Executor {
        Executor::of(self.server(&pinned_cli(), &[]).await)
    }

    /// A server whose agents are stubs.
    pub(crate) async fn by_stub(&self) -> Executor {
        Executor::of(self.server(&stub_agent(), &[]).await)
    }

    /// The real CLI as the worker's child.
    pub(crate) async fn by_cli(&self) -> Executor {
        Executor::Cli(ScriptedModel::start(Options::default()).await.expect("a model"))
    }

    /// Either way, by its name on the command line.
    pub(crate) async fn by(&self, mode: &str) -> Executor {
        if mode == "server" { self.by_server().await } else { self.by_cli().await }
    }

    /// The worker, with nothing of this machine's environment but the PATH.
    pub(crate) fn command(&self, executor: &Executor, arguments: &[&str]) -> Command {
        let mut command = self.bare_command(arguments);
        match executor {
            Executor::Server(server) => command.env("CLAUDE_SERVER_URL", server.url()),
            Executor::Cli(model) => command
                .args(["--execution-mode", "cli"])
                .env("CLAUDE_CLI_PATH", pinned_cli())
                .env("ANTHROPIC_BASE_URL", model.base_url())
                .env("ANTHROPIC_API_KEY", "no-key"),
        };
        command
    }

    pub(crate) fn bare_command(&self, arguments: &[&str]) -> Command {
        self.command_in(&self.project(), arguments)
    }

    /// The worker on a project of any folder.
    pub(crate) fn command_in(&self, project: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-worker"));
        command
            .arg("--project")
            .arg(project)
            .args(arguments)
            .current_dir(self.here())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the worker to its end.
    pub(crate) async fn run(&self, executor: &Executor, arguments: &[&str]) -> Ended {
        Running::start(self.command(executor, arguments)).ended().await
    }

    /// The folders of all runs, by name.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.here().join(".agent_runs")).into_iter().flatten();
        let mut runs: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        runs.sort();
        runs
    }

    /// The summary of the only run.
    pub(crate) fn summary(&self) -> Value {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        summary_of(&runs[0])
    }
}

pub(crate) fn summary_of(run: &Path) -> Value {
    let text = std::fs::read_to_string(run.join("summary.json")).expect("a summary");
    serde_json::from_str(&text).expect("JSON")
}

/// The worker at work.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: ChildStderr,
    seen: String,
}

/// What it ended with.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let stderr = child.stderr.take().expect("stderr");
        Self { child, lines, stderr, seen: String::new() }
    }

    async fn next(&mut self) -> Option<String> {
        let line = timeout(WITHIN, self.lines.next_line()).await.expect("a line in time").expect("stdout");
        if let Some(line) = &line {
            self.seen.push_str(line);
            self.seen.push('\n');
        }
        line
    }

    /// Waits for a line with that in it.
    pub(crate) async fn until(&mut self, part: &str) {
        let mut line = self.next().await;
        while line.as_ref().is_some_and(|line| !line.contains(part)) {
            line = self.next().await;
        }
        assert!(line.is_some(), "it ended before {part:?}: {}", self.seen);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("it runs")).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), signal).expect("a signal");
    }

    pub(crate) async fn ended(mut self) -> Ended {
        while self.next().await.is_some() {}
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).await.expect("stderr");
        let status = timeout(WITHIN, self.child.wait()).await.expect("an end in time").expect("a status");
        Ended { code: status.code(), stdout: self.seen, stderr }
    }
}

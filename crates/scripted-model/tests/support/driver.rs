//! Drives the real CLI against a model, in an environment of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest wait for one frame of the CLI.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the CLI may take to end after SIGTERM.
const TERMINATION: Duration = Duration::from_secs(5);

/// Where a CLI keeps its home and works; several CLIs, one after the other, may share it.
pub(crate) struct Place {
    root: TempDir,
}

/// A running CLI. It is ended and reaped when dropped.
pub(crate) struct Cli {
    child: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<Value>,
    reader: Option<JoinHandle<()>>,
    pub(crate) session_id: Option<String>,
}

/// The frames from a prompt to its result, which is the last one.
pub(crate) struct Turn(Vec<Value>);

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in ["home", "config", "tmp", "workspace"] {
            std::fs::create_dir(root.path().join(directory)).unwrap();
        }
        Self { root }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join("workspace").join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }

    fn command(&self, base_url: &str, arguments: &[&str]) -> Command {
        let path = |name: &str| self.root.path().join(name);
        let mut command = Command::new(cli_path());
        command
            .args(["--output-format", "stream-json", "--verbose", "--input-format", "stream-json"])
            .args(["--setting-sources=", "--strict-mcp-config", "--permission-mode", "bypassPermissions"])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", path("home"))
            .env("CLAUDE_CONFIG_DIR", path("config"))
            .env("CLAUDE_CODE_TMPDIR", path("tmp"))
            .env("ANTHROPIC_BASE_URL", base_url)
            .env("ANTHROPIC_API_KEY", "dummy")
            .env("IS_SANDBOX", "1");
        for switch in [
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_AUTOUPDATER",
            "DISABLE_TELEMETRY",
            "DISABLE_ERROR_REPORTING",
        ] {
            command.env(switch, "1");
        }
        command
            .current_dir(path("workspace"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }
}

impl Cli {
    /// Starts a CLI and waits until it is initialized.
    pub(crate) fn start(place: &Place, base_url: &str, arguments: &[&str]) -> Self {
        let mut child = place.command(base_url, arguments).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, frames) = channel();
        let reader = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let frame = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "not_json": line }));
                if sender.send(frame).is_err() {
                    return;
                }
            }
        });
        let mut cli = Self { child, stdin, frames, reader: Some(reader), session_id: None };
        cli.control(json!({ "subtype": "initialize" }));
        cli
    }

    /// Sends a prompt and reads up to its result.
    pub(crate) fn turn(&mut self, prompt: &str) -> Turn {
        self.send_prompt(prompt);
        self.read_turn()
    }

    /// Sends a prompt.
    pub(crate) fn send_prompt(&mut self, prompt: &str) {
        self.send(json!({ "type": "user", "message": { "role": "user", "content": prompt } }));
    }

    /// Reads up to the next result.
    pub(crate) fn read_turn(&mut self) -> Turn {
        let frames = self.read_until(|frame| frame["type"] == "result");
        self.session_id = frames.last().unwrap()["session_id"].as_str().map(str::to_owned);
        Turn(frames)
    }

    /// Sends a control request and gives its response.
    pub(crate) fn control(&mut self, request: Value) -> Value {
        let id = format!("request-{}", request["subtype"]);
        self.send(json!({ "type": "control_request", "request_id": id, "request": request }));
        let frames = self.read_until(|frame| {
            frame["type"] == "control_response" && frame["response"]["request_id"] == id.as_str()
        });
        let response = &frames.last().unwrap()["response"];
        assert_eq!(response["subtype"], "success", "{response}");
        response["response"].clone()
    }

    /// Closes the CLI's input and waits until it has ended.
    pub(crate) fn finish(mut self) {
        drop(self.stdin.take());
        loop {
            match self.frames.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the CLI did not end after its input was closed"),
            }
        }
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    fn send(&mut self, frame: Value) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{frame}\n").as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    fn read_until(&mut self, is_last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            match self.frames.recv_timeout(PATIENCE) {
                Ok(frame) => frames.push(frame),
                Err(error) => panic!("no frame from the CLI ({error}); so far: {frames:#?}"),
            }
            if is_last(frames.last().unwrap()) {
                return frames;
            }
        }
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // On SIGTERM the CLI ends its shells too, which SIGKILL would leave behind.
            kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
            while self.frames.recv_timeout(TERMINATION).is_ok() {}
        }
        // Both fail only when the CLI is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
    }
}

impl Turn {
    pub(crate) fn result(&self) -> &Value {
        self.0.last().unwrap()
    }

    /// The final text.
    pub(crate) fn text(&self) -> &str {
        self.result()["result"].as_str().unwrap_or_else(|| panic!("no text in {}", self.result()))
    }

    /// Frames of this type.
    pub(crate) fn frames(&self, frame_type: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |frame| frame["type"] == frame_type)
    }

    /// Content blocks of this type, in assistant and user messages alike.
    pub(crate) fn blocks(&self, block_type: &str) -> Vec<&Value> {
        let contents = self.0.iter().filter_map(|frame| frame.pointer("/message/content")?.as_array());
        contents.flatten().filter(|block| block["type"] == block_type).collect()
    }

    /// The tools that were called: name and first interesting input.
    pub(crate) fn calls(&self) -> Vec<(&str, &Value)> {
        self.blocks("tool_use")
            .into_iter()
            .map(|block| (block["name"].as_str().unwrap(), &block["input"]))
            .collect()
    }

    /// Deltas of the streamed text.
    pub(crate) fn text_deltas(&self) -> usize {
        self.frames("stream_event").filter(|frame| frame["event"]["delta"]["type"] == "text_delta").count()
    }
}

fn cli_path() -> PathBuf {
    let installed = "../../agent-cli/node_modules/@anthropic-ai/claude-code-linux-x64/claude";
    let path = std::env::var_os("CLAUDE_CLI_PATH")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(installed), PathBuf::from);
    assert!(
        path.is_file(),
        "the claude CLI is not at {}: run `npm ci` in agent-cli, or set CLAUDE_CLI_PATH",
        path.display()
    );
    path
}

//! One stub process, and a short way to say what it wrote.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const SESSION: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// A config folder and a working directory.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        std::fs::create_dir(place.work()).expect("made");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().expect("there").join(name)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path("w")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stub-agent"));
        command
            .args(arguments)
            .env_clear()
            .env("CLAUDE_CONFIG_DIR", self.path("config"))
            .env("CLAUDE_CODE_SDK_READS_SESSION_STATE", "1")
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Stub {
        Stub::start(&mut self.command(arguments))
    }

    /// The transcript's lines, each as its type and its prompt's number or how it ended.
    pub(crate) fn transcript(&self, session: &str) -> Vec<String> {
        let key: String =
            self.work().display().to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let path = self.path("config").join("projects").join(key).join(format!("{session}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).map(|line| entry(&line)).collect()
    }
}

fn entry(line: &Value) -> String {
    match line["type"].as_str() {
        Some("user") => format!("{} {}", number(&line["uuid"]), line["message"]["content"]),
        _ => format!("{} {}", number(&line["parentUuid"]), line["ending"]),
    }
}

/// The name of a prompt by its number.
pub(crate) fn uuid(number: u32) -> String {
    format!("11111111-1111-4111-8111-{number:012}")
}

fn number(uuid: &Value) -> String {
    uuid.as_str().map_or_else(|| "-".into(), |uuid| uuid.rsplit('0').next().unwrap_or_default().to_owned())
}

/// A process. It is killed when it is dropped.
pub(crate) struct Stub {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// What was left when a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: Vec<String>,
    pub(crate) stderr: String,
}

impl Stub {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("a process");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        Self { child, stdin, stdout }
    }

    pub(crate) fn send(&mut self, line: &Value) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("written");
    }

    pub(crate) fn prompt(&mut self, number: u32, text: &str) {
        let content = json!([{"type": "text", "text": text}]);
        let message = json!({"role": "user", "content": content});
        self.send(&json!({"type": "user", "uuid": uuid(number), "message": message}));
    }

    pub(crate) fn control(&mut self, id: &str, request: &Value) {
        self.send(&json!({"type": "control_request", "request_id": id, "request": request}));
    }

    /// The next frame; `None` at the end.
    pub(crate) fn frame(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    /// What it says, up to and with this.
    pub(crate) fn until(&mut self, last: &str) -> Vec<String> {
        let mut said = Vec::new();
        while said.last().is_none_or(|said: &String| said != last) {
            let Some(frame) = self.frame() else { panic!("it ended before {last:?}: {said:?}") };
            said.extend(shape(&frame));
        }
        said
    }

    /// The next result.
    pub(crate) fn result(&mut self) -> Value {
        loop {
            let frame = self.frame().expect("a result");
            if frame["type"] == "result" {
                return frame;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Closes its input; gives what it still says.
    pub(crate) fn close(mut self) -> Ended {
        drop(self.stdin.take());
        let mut said = Vec::new();
        while let Some(frame) = self.frame() {
            said.extend(shape(&frame));
        }
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("stderr");
        std::io::Read::read_to_string(&mut pipe, &mut stderr).expect("stderr");
        Ended { code: self.child.wait().expect("an end").code(), said, stderr }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A frame in a few words; the ones that only say that a prompt was queued or a turn began are left out.
fn shape(frame: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(match text(&frame["type"]).as_str() {
        "user" if frame["isReplay"] == true => "replay".to_owned(),
        "assistant" | "user" => block(&frame["message"]["content"][0]),
        "system" if frame["subtype"] == "session_state_changed" => text(&frame["state"]),
        "system" if frame["subtype"] == "background_tasks_changed" => {
            format!("background {}", frame["tasks"].as_array().expect("tasks").len())
        }
        "system" => text(&frame["subtype"]),
        "command_lifecycle" if frame["state"] == "queued" || frame["state"] == "started" => return None,
        "command_lifecycle" => format!("{} {}", number(&frame["command_uuid"]), text(&frame["state"])),
        "control_response" => answer(&frame["response"]),
        "result" => result(frame),
        other => panic!("an unknown frame: {other}"),
    })
}

fn block(block: &Value) -> String {
    match block["type"].as_str() {
        Some("text") => format!("text {}", block["text"].as_str().expect("text")),
        Some("tool_use") => format!("tool {} {}", block["name"].as_str().expect("a name"), block["input"]),
        _ => format!("tool_result {}", if block["is_error"] == true { "error" } else { "ok" }),
    }
}

fn answer(response: &Value) -> String {
    let id = response["request_id"].as_str().unwrap_or_default();
    match (id, response["error"].as_str()) {
        ("initialize", None) => "initialized".into(),
        (id, None) => format!("{id} {}", response["response"]),
        (id, Some(error)) => format!("{id} refused {error}"),
    }
}

fn result(frame: &Value) -> String {
    let reason = frame["terminal_reason"].as_str().unwrap_or("failed");
    let said = frame["result"].as_str().unwrap_or_else(|| frame["errors"][0].as_str().expect("an error"));
    let resumed = frame["resume_reason"].as_str().unwrap_or_default();
    let name = number(&frame["user_message_uuid"]);
    format!("result {name} {reason}: {said} {resumed}").trim_end().to_owned()
}

/// The lines of a file.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).expect("a file").lines().map(str::to_owned).collect()
}

//! A command of the binary at work.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use testing::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::BINARY;

pub(crate) const WITHIN: Duration = Duration::from_secs(90);

/// A command at work, whose stdout is read line by line.
pub(crate) struct Running {
    child: Child,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
    stderr: Lines<BufReader<ChildStderr>>,
    seen: Vec<String>,
}

impl Running {
    /// Starts the binary as a client of that server.
    pub(crate) fn start(server: &str, arguments: &[&str]) -> Self {
        Self::program(BINARY, server, arguments)
    }

    /// The same by way of another program, which the arguments tell to start it.
    pub(crate) fn program(program: impl AsRef<OsStr>, server: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("CLAUDE_SERVER_URL", server)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let stdout = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let stderr = BufReader::new(child.stderr.take().expect("stderr")).lines();
        Self { child, stdout: Some(stdout), stderr, seen: Vec::new() }
    }

    async fn next(&mut self) -> Option<String> {
        let Some(stdout) = &mut self.stdout else { return None };
        let line = timeout(WITHIN, stdout.next_line()).await.expect("a line in time").expect("stdout");
        self.seen.extend(line.clone());
        line
    }

    /// Reads stdout up to a line with this.
    pub(crate) async fn until(&mut self, part: &str) {
        let mut line = self.next().await;
        while line.as_ref().is_some_and(|line| !line.contains(part)) {
            line = self.next().await;
        }
        assert!(line.is_some(), "it ended before {part:?}: {:#?}", self.seen);
    }

    /// The next line of stderr.
    pub(crate) async fn complaint(&mut self) -> String {
        let line = timeout(WITHIN, self.stderr.next_line()).await.expect("a line in time");
        line.expect("stderr").expect("a line")
    }

    /// Closes the pipe that it writes to.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("it runs")).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), signal).expect("a signal");
    }

    /// Its exit code, all lines of stdout, and what was not read yet of stderr.
    pub(crate) async fn ended(mut self) -> (Option<i32>, Vec<String>, String) {
        while self.next().await.is_some() {}
        let mut complaints = String::new();
        let mut stderr = self.stderr.into_inner();
        let read = timeout(WITHIN, stderr.read_to_string(&mut complaints)).await;
        read.expect("an end in time").expect("stderr");
        let status = timeout(WITHIN, self.child.wait()).await.expect("an end in time").expect("a status");
        (status.code(), self.seen, complaints)
    }
}

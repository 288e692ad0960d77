//! A Redis of a test's own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

const START_WITHIN: Duration = Duration::from_secs(20);

/// A running redis-server with an append-only file, in a folder of its own; killed when it is dropped.
pub struct RedisServer {
    folder: TempDir,
    fsync: &'static str,
    child: Child,
}

impl RedisServer {
    /// Starts one that syncs its file at each command, and waits until it answers.
    pub async fn start() -> Self {
        Self::start_synced("always").await
    }

    /// Starts one that syncs as told: `always`, `everysec` or `no`.
    pub async fn start_synced(fsync: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let child = spawn(folder.path(), fsync);
        let server = Self { folder, fsync, child };
        server.until_it_answers().await;
        server
    }

    /// Kills it, as a crash would, and starts it on what it has kept.
    pub async fn restart(&mut self) {
        self.child.kill().await.expect("a kill");
        self.child = spawn(self.folder.path(), self.fsync);
        self.until_it_answers().await;
    }

    /// A part of what it says of itself.
    pub fn info(&self, section: &str) -> String {
        let mut stream = UnixStream::connect(socket(self.folder.path())).expect("it runs");
        write!(stream, "INFO {section}\r\nQUIT\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(self.folder.path()).display())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(pid.expect("it runs"), signal).expect("a signal");
    }

    async fn until_it_answers(&self) {
        let deadline = Instant::now() + START_WITHIN;
        while !answers(&socket(self.folder.path())) {
            assert!(Instant::now() < deadline, "redis-server has not begun to answer");
            // It has no event to wait for.
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Version of the program that [`RedisServer`] runs; `None` when it does not tell.
pub fn redis_version() -> Option<String> {
    let output = command().as_std_mut().arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| word.strip_prefix("v=").map(str::to_owned))
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

fn answers(socket: &Path) -> bool {
    let asked = UnixStream::connect(socket).and_then(|mut stream| {
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).map(|()| answer)
    });
    asked.is_ok_and(|answer| &answer == b"+PONG")
}

fn spawn(folder: &Path, fsync: &str) -> Child {
    command()
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--daemonize",
            "no",
            "--appendonly",
            "yes",
            "--appendfsync",
            fsync,
        ])
        .arg("--unixsocket")
        .arg(socket(folder))
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is there: run ./test.sh, which unpacks it, or set REDIS_SERVER")
}

/// The program: what `REDIS_SERVER` names, what the set-up has unpacked, or what is installed.
fn command() -> Command {
    if let Some(program) = std::env::var_os("REDIS_SERVER") {
        return Command::new(program);
    }
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/redis-server/usr");
    let program = unpacked.join("bin/redis-server");
    if !program.exists() {
        return Command::new("redis-server");
    }
    let mut command = Command::new(program);
    let libraries = unpacked.join("lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

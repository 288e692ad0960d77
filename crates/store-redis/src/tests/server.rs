//! A Redis of its own for a test or an example: in a folder of its own, killed when it is dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running redis-server.
#[derive(Debug)]
pub(crate) struct Server {
    folder: TempDir,
    fsync: &'static str,
    child: Option<Child>,
}

impl Server {
    /// Starts one that syncs its append-only file as told: `always`, `everysec` or `no`.
    pub(crate) fn start(fsync: &'static str) -> Self {
        let mut server = Self { folder: TempDir::new().expect("a folder"), fsync, child: None };
        server.start_again();
        server
    }

    /// Starts it again on what it has kept.
    pub(crate) fn start_again(&mut self) {
        let child = command()
            .args(["--port", "0", "--unixsocket"])
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .args(["--appendonly", "yes", "--appendfsync", self.fsync, "--save", "", "--daemonize", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is there: run scripts/setup.sh, or set REDIS_SERVER");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.answers() {
            assert!(Instant::now() < deadline, "redis-server has not begun to answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn answers(&self) -> bool {
        let client = redis::Client::open(self.url()).expect("a valid address");
        let Ok(mut connection) = client.get_connection() else { return false };
        redis::cmd("PING").query::<String>(&mut connection).is_ok()
    }

    /// Runs a command.
    pub(crate) fn run(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).expect("a valid address");
        let mut connection = client.get_connection().expect("it runs");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut connection).expect("it is carried out")
    }

    /// A part of what it says of itself.
    pub(crate) fn info(&self, section: &str) -> String {
        let redis::Value::BulkString(text) = self.run(&["INFO", section]) else { return String::new() };
        String::from_utf8_lossy(&text).into_owned()
    }

    /// How often a command was carried out.
    pub(crate) fn calls_of(&self, command: &str) -> u64 {
        let (text, wanted) = (self.info("commandstats"), format!("cmdstat_{command}:calls="));
        let line = text.lines().find_map(|line| line.strip_prefix(wanted.as_str()));
        line.and_then(|line| line.split(',').next()).map_or(0, |calls| calls.parse().expect("a number"))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("there is a kill");
        assert!(sent.success());
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it is ours");
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program: what `REDIS_SERVER` names, what the set-up has unpacked, or what is installed.
pub(crate) fn command() -> Command {
    if let Some(program) = std::env::var_os("REDIS_SERVER") {
        return Command::new(program);
    }
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/redis-server/usr");
    let program = unpacked.join("bin/redis-server");
    if !program.exists() {
        return Command::new("redis-server");
    }
    let mut command = Command::new(program);
    let libraries = unpacked.join("lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

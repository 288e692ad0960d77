//! Starting small programs, and asking the kernel what became of them.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use process::{Child, Exit, Ladder, Limits, Owner, Spec, spawn};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

/// Long enough to be an error when it is used up, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A ladder that goes straight to the kill.
pub(crate) const AT_ONCE: Ladder = Ladder { exit_grace: Duration::ZERO, term_grace: Duration::ZERO };
/// A ladder whose rungs are never used up in a test that passes.
pub(crate) const PATIENT: Ladder = Ladder { exit_grace: PATIENCE, term_grace: PATIENCE };

pub(crate) const EXIT_0: Exit = Exit { code: Some(0), signal: None };
pub(crate) const SIGKILLED: Exit = Exit { code: None, signal: Some(9) };
pub(crate) const SIGTERMED: Exit = Exit { code: None, signal: Some(15) };

pub(crate) fn spec(program: &str, args: &[&str]) -> Spec {
    Spec {
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        cwd: "/".into(),
        owner: Owner::new("death-suite").unwrap(),
        limits: Limits::default(),
        cgroup: None,
    }
}

/// A shell that runs `script`.
pub(crate) async fn shell(script: &str) -> Child {
    spawn(spec("sh", &["-c", script])).await.unwrap()
}

/// A Python that runs `script`.
pub(crate) async fn python(script: &str) -> Child {
    spawn(spec("/usr/bin/python3", &["-c", script])).await.unwrap()
}

pub(crate) fn lines(stdout: ChildStdout) -> Lines<BufReader<ChildStdout>> {
    BufReader::new(stdout).lines()
}

/// The next line, which is the number of a process.
pub(crate) async fn next_pid(lines: &mut Lines<BufReader<ChildStdout>>) -> u32 {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
    line.unwrap().trim().parse().unwrap()
}

/// Whether a process runs, zombies excepted.
pub(crate) fn runs(pid: u32) -> bool {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits for a condition that the kernel brings about without an event to wait for.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

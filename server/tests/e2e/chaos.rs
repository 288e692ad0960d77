//! A server is killed among fifty agents that will not end; the next one of the same data folder ends them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use testing::{Server, ServerBuilder, which_mention};
use tokio::time::{Instant, sleep, timeout};

use crate::BINARY;
use crate::agent_failures::fake_cli_in;

const AGENTS: usize = 50;
/// The whole test.
const PATIENCE: Duration = Duration::from_secs(90);
/// From the moment when the second server is started.
const GONE_WITHIN: Duration = Duration::from_secs(3);
/// For the processes that a failed test leaves.
const CLEANED_WITHIN: Duration = Duration::from_secs(10);

/// Becomes ready, takes its prompt, and is then deaf to SIGTERM and to the end of its input, as is what it started
/// in a session of its own. Both pids are in the workspace once both run.
const DEAF_AGENT: &str = r#"trap '' TERM HUP INT
read -r initialize
echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
read -r prompt
setsid sleep 600 &
echo "$$ $!" > pids.new
mv pids.new pids
exec sleep 600"#;

/// A process, told from a later one with the same pid by when it was started.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    pid: u32,
    started: String,
}

impl Process {
    /// The process that runs under this pid; zombies, which wait for nothing but their parent, do not run.
    fn running(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let state = fields.first()?;
        (!matches!(*state, "Z" | "X")).then_some(Self { pid, started: (*fields.get(19)?).to_owned() })
    }

    fn runs(&self) -> bool {
        Self::running(self.pid).as_ref() == Some(self)
    }
}

/// The folder that both servers use. Whoever mentions it was started by this test, and is killed with it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("workspaces")).expect("made");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn workspace(&self, number: usize) -> PathBuf {
        self.path("workspaces").join(number.to_string())
    }

    /// Starts a server on it, with agents that run this program.
    async fn server(&self, cli: &str) -> Server {
        ServerBuilder::demo(BINARY)
            .variable("CLAUDE_CLI_PATH", cli)
            .variable("STORAGE_DATA_DIR", &self.path("data").display().to_string())
            .variable("WORKSPACE_ROOTS", &self.path("workspaces").display().to_string())
            .variable("SESSION_MAX_CONCURRENT", &AGENTS.to_string())
            .start()
            .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let deadline = Instant::now() + CLEANED_WITHIN;
        loop {
            let left = which_mention(self.0.path());
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in left.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
                // One that has just ended needs no signal.
                kill_process(pid, Signal::KILL).ok();
            }
            std::thread::yield_now();
        }
    }
}

/// Asks until there is an answer; neither files nor the process table have an event to wait for.
async fn poll<T>(question: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// The agent in a workspace and what it started.
fn agent_in(workspace: &Path) -> Option<Vec<Process>> {
    let text = fs::read_to_string(workspace.join("pids")).ok()?;
    text.split_whitespace().map(|pid| Process::running(pid.parse().ok()?)).collect()
}

/// Gives a server fifty tasks; returns the agents and what they started, once all of them run.
async fn occupy(server: &Server, place: &Place) -> Vec<Process> {
    for number in 0..AGENTS {
        let workspace = place.workspace(number);
        fs::create_dir(&workspace).expect("made");
        let body = json!({"task_id": format!("deaf-{number}"), "prompt": "p", "workspace": workspace});
        server.submit(&body).await;
    }
    let mut processes = Vec::new();
    for number in 0..AGENTS {
        processes.extend(poll(|| agent_in(&place.workspace(number))).await);
    }
    processes
}

/// Waits until none of them runs, but no longer than until `deadline`; gives those that still do.
async fn outlast(processes: &[Process], deadline: Instant) -> Vec<Process> {
    let rest = || processes.iter().filter(|process| process.runs()).cloned().collect::<Vec<_>>();
    poll(|| Some(rest()).filter(|rest| rest.is_empty() || Instant::now() > deadline)).await
}

async fn kill_and_start_again(place: &Place) {
    let cli = fake_cli_in(place.0.path(), DEAF_AGENT);
    let first = place.server(&cli).await;
    let processes = occupy(&first, place).await;
    assert_eq!(processes.iter().collect::<HashSet<_>>().len(), 2 * AGENTS);
    assert_eq!(first.get("/health").await.1["active_tasks"], json!(AGENTS));
    first.kill().await;
    let lost: Vec<_> = processes.iter().filter(|process| !process.runs()).collect();
    assert!(lost.is_empty(), "SIGTERM ends what was to be left for the next server: {lost:?}");

    let start = Instant::now();
    let second = place.server(&cli).await;
    let ready = start.elapsed();
    let left = outlast(&processes, start + GONE_WITHIN).await;
    let took = start.elapsed();
    assert!(left.is_empty(), "{} left after {took:?}, ready after {ready:?}: {left:?}", left.len());
    assert_eq!(second.get("/ready").await.0, 200);
    assert_eq!(which_mention(&place.path("data").join("agents")), Vec::<u32>::new());
    second.terminate();
    assert_eq!(second.ended().await.code, Some(0));
}

#[tokio::test]
async fn fifty_deaf_agents_of_a_killed_server_are_gone_soon_after_the_next_start() {
    let place = Place::new();
    timeout(PATIENCE, kill_and_start_again(&place)).await.expect("an end in time");
}

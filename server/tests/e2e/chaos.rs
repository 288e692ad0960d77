//! A server is killed among fifty agents that will not end; the next one of the same data folder ends them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use testing::{Server, which_mention};
use tokio::time::{Instant, sleep, timeout};

use crate::agent_failures::fake_cli_in;
use crate::place::Place;

const AGENTS: usize = 50;
/// The whole test.
const PATIENCE: Duration = Duration::from_secs(90);
/// From the moment when the second server is started.
const GONE_WITHIN: Duration = Duration::from_secs(3);

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
        let workspace = place.workspace(&number.to_string());
        let body = json!({"task_id": format!("deaf-{number}"), "prompt": "p", "workspace": workspace});
        server.submit(&body).await;
    }
    let mut processes = Vec::new();
    for number in 0..AGENTS {
        processes.extend(poll(|| agent_in(&place.workspace(&number.to_string()))).await);
    }
    processes
}

/// Waits until none of them runs, but no longer than until `deadline`; gives those that still do.
async fn outlast(processes: &[Process], deadline: Instant) -> Vec<Process> {
    let rest = || processes.iter().filter(|process| process.runs()).cloned().collect::<Vec<_>>();
    poll(|| Some(rest()).filter(|rest| rest.is_empty() || Instant::now() > deadline)).await
}

async fn kill_and_start_again(place: &Place) {
    let cli = PathBuf::from(fake_cli_in(place.root(), DEAF_AGENT));
    let most = [("SESSION_MAX_CONCURRENT", &*AGENTS.to_string())];
    let first = place.server(&cli, &most).await;
    let processes = occupy(&first, place).await;
    assert_eq!(processes.iter().collect::<HashSet<_>>().len(), 2 * AGENTS);
    assert_eq!(first.get("/health").await.1["active_tasks"], json!(AGENTS));
    first.kill().await;
    let lost: Vec<_> = processes.iter().filter(|process| !process.runs()).collect();
    assert!(lost.is_empty(), "SIGTERM ends what was to be left for the next server: {lost:?}");

    let start = Instant::now();
    let second = place.server(&cli, &most).await;
    let ready = start.elapsed();
    let left = outlast(&processes, start + GONE_WITHIN).await;
    let took = start.elapsed();
    assert!(left.is_empty(), "{} left after {took:?}, ready after {ready:?}: {left:?}", left.len());
    assert_eq!(second.get("/ready").await.0, 200);
    assert_eq!(which_mention(&place.agents_folder()), Vec::<u32>::new());
    second.terminate();
    assert_eq!(second.ended().await.code, Some(0));
}

#[tokio::test]
async fn fifty_deaf_agents_of_a_killed_server_are_gone_soon_after_the_next_start() {
    let place = Place::new();
    timeout(PATIENCE, kill_and_start_again(&place)).await.expect("an end in time");
}

//! Starts on what is stored already. The database is filled by the storage's own crate, which is faster than running so many
//! tasks; a task is as large as one of a few events.

use std::path::Path;
use std::time::{Duration, Instant};

use domain::{
    AgentOptions, Ending, Fingerprint, Labels, Outcome, PermissionMode, Policy, Principal, Progress,
    Schedule, SessionChoice, TaskId, TaskOptions, TaskSpec, Timestamp,
};
use futures_util::future::try_join_all;
use store::{BatchBuilder, Claim, Claimed, CoreSettings, EventBatch, Finish, Release, Store, Submit};
use store_sqlite::{SqliteOptions, SqliteStore, Sync};
use testing::{Server, ServerBuilder, resident_kib};

use crate::quantile;

const STORED: [usize; 3] = [0, 10_000, 100_000];
const TIMES: usize = 5;
const AT_ONCE: usize = 200;
const EVENTS: u64 = 6;

pub(crate) async fn measure(binary: &str) {
    println!(
        "{:<18} {:>16} {:>22} {:>12} {:>12}",
        "stored tasks", "to /health, ms", "after a kill, ms", "RSS, KiB", "file, MiB"
    );
    for stored in STORED {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tasks.sqlite");
        fill(&path, stored).await;
        let (mut times, mut weights) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let (server, took) = start(binary, folder.path()).await;
            times.push(took);
            weights.push(resident_kib(server.pid()) as f64);
            server.terminate();
            assert_eq!(server.ended().await.code, Some(0));
        }
        start(binary, folder.path()).await.0.kill().await;
        let (server, killed) = start(binary, folder.path()).await;
        server.terminate();
        server.ended().await;
        let size = path.metadata().expect("a database").len() >> 20;
        println!(
            "{stored:<18} {:>16.1} {killed:>22.1} {:>12.0} {size:>12}",
            quantile(&times, 0.5),
            quantile(&weights, 0.5)
        );
    }
}

/// Starts a server; gives it and the milliseconds until `/health` was answered.
async fn start(binary: &str, data: &Path) -> (Server, f64) {
    let builder = ServerBuilder::stub(binary)
        .variable("SERVER_LOG_LEVEL", "info")
        .variable("STORAGE_TYPE", "sqlite")
        .variable("STORAGE_DATA_DIR", &data.display().to_string());
    let start = Instant::now();
    let server = builder.start().await;
    assert_eq!(server.get("/health").await.0, 200);
    (server, start.elapsed().as_secs_f64() * 1e3)
}

async fn fill(path: &Path, tasks: usize) {
    let options = SqliteOptions { path: path.into(), sync: Sync::Normal, settings: CoreSettings::default() };
    let store = SqliteStore::open(options).expect("a database");
    for first in (0..tasks).step_by(AT_ONCE) {
        let numbers = first..tasks.min(first + AT_ONCE);
        let submitted = numbers.clone().map(|number| store.submit(submission(number)));
        try_join_all(submitted).await.expect("admitted");
        let claims = numbers.map(|number| store.claim(number as u64, now()));
        let claims = try_join_all(claims).await.expect("claims").into_iter().map(claimed).collect::<Vec<_>>();
        try_join_all(claims.iter().map(|claimed| store.finish(finish(claimed)))).await.expect("ended");
        try_join_all(claims.iter().map(|claimed| store.release(release(claimed)))).await.expect("released");
    }
    store.close();
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    Timestamp::from_millis(i64::try_from(now.as_millis()).expect("not that late"))
}

fn claimed(claim: Claim) -> Claimed {
    let Claim::Task(claimed) = claim else { unreachable!("tasks wait") };
    *claimed
}

fn submission(number: usize) -> Submit {
    let spec = TaskSpec {
        task_id: TaskId::parse(&format!("stored-{number}")).expect("an id"),
        fingerprint: Fingerprint([0; 32]),
        principal: Principal::default(),
        prompt: "Fix the tests of the parser, and say what was wrong with them.".into(),
        workspace: "/workspaces/shared".into(),
        working_directory: "/workspaces/shared".into(),
        options: TaskOptions {
            allowed_tools: ["Read", "Write", "Edit", "Bash"].map(str::to_owned).into(),
            permission_mode: PermissionMode::AcceptEdits,
            max_turns: Some(50),
            timeout: Duration::from_secs(3600),
            model: None,
            max_budget_usd: None,
            agent: AgentOptions::default(),
        },
        session: SessionChoice::New,
        schedule: Schedule::default(),
        policy: Policy::default(),
        labels: Labels::default(),
        metadata: None,
        trace_parent: None,
    };
    Submit { spec, max_pending: 2 * AT_ONCE, now: now() }
}

/// A few events of the usual size.
fn events() -> EventBatch {
    let mut builder = BatchBuilder::new(1);
    for seq in 1..=EVENTS {
        let text = "x".repeat(400);
        let event = format!(
            r#"{{"type":"message","timestamp":"{}","seq":{seq},"data":{{"content":"{text}"}}}}"#,
            now()
        );
        builder.push(|bytes| bytes.extend_from_slice(event.as_bytes()));
    }
    builder.take()
}

fn finish(claimed: &Claimed) -> Finish {
    Finish {
        task_id: claimed.task.spec.task_id.clone(),
        token: Some(claimed.token),
        events: events(),
        progress: Progress::default(),
        outcome: Outcome {
            ending: Ending::Completed,
            summary: "done".into(),
            errors: vec![],
            total_cost_usd: 0.0,
        },
        now: now(),
    }
}

fn release(claimed: &Claimed) -> Release {
    Release {
        session_id: claimed.task.session_id.clone(),
        token: claimed.token,
        conversation: None,
        now: now(),
    }
}

//! Measures the store: how much it takes in, how fast it reads back, and what an opening costs.
//!
//! `cargo run --release -p store-sqlite --example store_rates [folder] [full]`

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BufMut;
use domain::{
    AgentOptions, Ending, Fingerprint, Labels, Outcome, PermissionMode, Policy, Principal, Progress,
    Schedule, SessionChoice, TaskId, TaskOptions, TaskSpec, Timestamp,
};
use store::{
    Append, BatchBuilder, Claim, Claimed, CoreSettings, EventBatch, Finish, Release, Retention, Store, Submit,
};
use store_sqlite::{SqliteOptions, SqliteStore, Sync, backup};

type Outcomes<T> = Result<T, Box<dyn Error + Send + std::marker::Sync>>;

/// A ticket that was not used before.
fn ticket() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

const NOW: Timestamp = Timestamp::from_millis(1_000);
const EVENT: usize = 512;
const PAYLOAD: [u8; EVENT] = [b'x'; EVENT];

#[tokio::main]
async fn main() -> Outcomes<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    if folder.as_os_str() == "--open" {
        return open_here(Path::new(&arguments.next().ok_or("no path")?)).await;
    }
    let sync = if arguments.next().as_deref() == Some("full") { Sync::Full } else { Sync::Normal };
    let folder = folder.join(format!("store-rates-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("{} {sync:?}", folder.display());
    let result = measure(&folder, sync).await;
    std::fs::remove_dir_all(&folder)?;
    result
}

async fn measure(folder: &Path, sync: Sync) -> Outcomes<()> {
    let path = folder.join("rates.db");
    let store = Arc::new(open(&path, sync)?);
    submits(&store, 1, 5_000).await?;
    submits(&store, 32, 20_000).await?;
    for batch in [1, 16, 256] {
        for tasks in [1, 200] {
            appends(&store, tasks, batch).await?;
        }
    }
    latency(&store).await?;
    replay(&store).await?;
    drop(store);
    openings(folder, sync).await
}

fn open(path: &Path, sync: Sync) -> Outcomes<SqliteStore> {
    Ok(SqliteStore::open(SqliteOptions { path: path.to_owned(), sync, settings: CoreSettings::default() })?)
}

async fn submits(store: &Arc<SqliteStore>, callers: usize, count: usize) -> Outcomes<()> {
    let begin = Instant::now();
    let work = (0..callers).map(|caller| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut times = Vec::new();
            for number in 0..count / callers {
                let begin = Instant::now();
                submit(&store, &format!("s{callers}-{caller}-{number}")).await?;
                times.push(begin.elapsed());
            }
            Outcomes::Ok(times)
        })
    });
    let mut times = Vec::new();
    for work in work.collect::<Vec<_>>() {
        times.extend(work.await??);
    }
    let rate = rate(times.len(), begin.elapsed());
    println!("submit, {callers} callers: {rate} /s, {}", spread(&mut times));
    drain(store).await
}

/// Ends everything that waits.
async fn drain(store: &Arc<SqliteStore>) -> Outcomes<()> {
    while let Claim::Task(claimed) = store.claim(ticket(), NOW).await? {
        end(store, &claimed, 1).await?;
    }
    Ok(())
}

async fn appends(store: &Arc<SqliteStore>, tasks: usize, batch: u64) -> Outcomes<()> {
    let events: u64 = match (tasks, batch) {
        (1, 1) => 20_000,
        (_, 256) => 400_000,
        _ => 200_000,
    };
    let mut claimed = Vec::new();
    for task in 0..tasks {
        claimed.push(begin(store, &format!("a{batch}-{tasks}-{task}")).await?);
    }
    let start = Instant::now();
    let each = events / tasks as u64 / batch;
    let work = claimed.iter().cloned().map(|claimed| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut times = Vec::new();
            for number in 0..each {
                let begin = Instant::now();
                store.append(append(&claimed, number * batch + 1, batch)).await?;
                times.push(begin.elapsed());
            }
            Outcomes::Ok(times)
        })
    });
    let mut times = Vec::new();
    for work in work.collect::<Vec<_>>() {
        times.extend(work.await??);
    }
    let rate = rate(times.len() * usize::try_from(batch)?, start.elapsed());
    println!("append, {tasks} tasks, {batch} events a batch: {rate} events/s, {}", spread(&mut times));
    for claimed in claimed {
        end(store, &claimed, each * batch + 1).await?;
    }
    let begin = Instant::now();
    let dropped =
        store.drop_beyond(&Retention { max_tasks: 0, ..Retention::ALL }, NOW, None, usize::MAX).await?;
    println!("  dropped {} tasks in {:.1?}", dropped.tasks, begin.elapsed());
    Ok(())
}

/// Commits at a pace that leaves the store idle in between.
async fn latency(store: &Arc<SqliteStore>) -> Outcomes<()> {
    let claimed = begin(store, "latency").await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut times = Vec::new();
    for seq in 1..=2_000 {
        ticks.tick().await;
        let begin = Instant::now();
        store.append(append(&claimed, seq, 1)).await?;
        times.push(begin.elapsed());
    }
    println!("append at 1,000 a second: {}", spread(&mut times));
    end(store, &claimed, 2_001).await
}

async fn replay(store: &Arc<SqliteStore>) -> Outcomes<()> {
    for batch in [16, 250] {
        let id = format!("replayed-{batch}");
        let claimed = begin(store, &id).await?;
        for number in 0..100_000 / batch {
            store.append(append(&claimed, number * batch + 1, batch)).await?;
        }
        end(store, &claimed, 100_001).await?;
        let begin = Instant::now();
        let (id, mut after) = (TaskId::parse(&id)?, 0);
        while let Some(page) = store.read(&id, after).await?
            && let Some(last) = page.events.last()
        {
            after = last.seq;
        }
        let rate = rate(usize::try_from(after)?, begin.elapsed());
        println!("replay of {after} events, written {batch} a batch: {rate} events/s");
    }
    Ok(())
}

async fn openings(folder: &Path, sync: Sync) -> Outcomes<()> {
    let path = folder.join("openings.db");
    let begin = Instant::now();
    let store = open(&path, sync)?;
    println!("first open: {:.1?}", begin.elapsed());
    drop(store);
    println!("no tasks:");
    open_elsewhere(&path)?;
    let store = Arc::new(open(&path, sync)?);
    let work = (0..64).map(|worker| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..100_000 / 64 {
                submit(&store, &format!("o{worker}-{number}")).await?;
                if let Claim::Task(claimed) = store.claim(ticket(), NOW).await? {
                    store.append(append(&claimed, 1, 5)).await?;
                    end(&store, &claimed, 6).await?;
                }
            }
            Outcomes::Ok(())
        })
    });
    let begin = Instant::now();
    for work in work.collect::<Vec<_>>() {
        work.await??;
    }
    println!("100,000 tasks from their submission to their end: {:.1?}", begin.elapsed());
    let begin = Instant::now();
    drop(store);
    println!("close: {:.1?}", begin.elapsed());
    reopen(folder, &path, sync).await
}

/// Opens a database in a process that has done nothing else, so that its memory tells something.
fn open_elsewhere(path: &Path) -> Outcomes<()> {
    let program = std::env::current_exe()?;
    let status = std::process::Command::new(program).arg("--open").arg(path).status()?;
    if status.success() { Ok(()) } else { Err("the other process failed".into()) }
}

async fn open_here(path: &Path) -> Outcomes<()> {
    let before = resident()?;
    let begin = Instant::now();
    let store = open(path, Sync::Normal)?;
    println!("  open: {:.1?}, resident {before} KiB before and {} KiB after", begin.elapsed(), resident()?);
    store.task(&TaskId::parse("o0-0")?).await?;
    println!("  resident after a read: {} KiB", resident()?);
    Ok(())
}

async fn reopen(folder: &Path, path: &Path, sync: Sync) -> Outcomes<()> {
    println!("100,000 ended tasks, {} MiB:", std::fs::metadata(path)?.len() / 1024 / 1024);
    open_elsewhere(path)?;
    let store = open(path, sync)?;
    let begin = Instant::now();
    store.drop_beyond(&Retention::ALL, NOW, None, 1).await?;
    println!("  first look at the retention: {:.1?}", begin.elapsed());
    let begin = Instant::now();
    let sessions = store.sessions().await?.len();
    println!("  all {sessions} sessions: {:.1?}", begin.elapsed());
    let begin = Instant::now();
    let report = backup(path, &folder.join("copy.db"))?;
    println!("  backup of {} MiB: {:.1?}", report.bytes / 1024 / 1024, begin.elapsed());
    Ok(())
}

async fn submit(store: &SqliteStore, id: &str) -> Outcomes<()> {
    let spec = TaskSpec {
        task_id: TaskId::parse(id)?,
        fingerprint: Fingerprint([7; 32]),
        principal: Principal::default(),
        prompt: "Find out why the build is slow, and say what could be done about it.".into(),
        workspace: PathBuf::from("/w"),
        working_directory: PathBuf::from("/w"),
        options: TaskOptions {
            allowed_tools: vec!["Read".into(), "Bash(git *)".into()],
            permission_mode: PermissionMode::Default,
            max_turns: None,
            timeout: Duration::from_secs(600),
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
    store.submit(Submit { spec, max_pending: usize::MAX, max_at_work: 0, now: NOW }).await?;
    Ok(())
}

async fn begin(store: &SqliteStore, id: &str) -> Outcomes<Claimed> {
    submit(store, id).await?;
    match store.claim(ticket(), NOW).await? {
        Claim::Task(claimed) => Ok(*claimed),
        Claim::Nothing { .. } => Err("nothing to claim".into()),
    }
}

async fn end(store: &SqliteStore, claimed: &Claimed, seq: u64) -> Outcomes<()> {
    let command = Finish {
        task_id: claimed.task.spec.task_id.clone(),
        token: Some(claimed.token),
        events: events(seq, 1),
        progress: Progress::default(),
        outcome: Outcome {
            ending: Ending::Completed,
            summary: "done".into(),
            errors: vec![],
            total_cost_usd: 0.1,
        },
        now: NOW,
    };
    store.finish(command).await?;
    let session_id = claimed.task.session_id.clone();
    store.release(Release { session_id, token: claimed.token, conversation: None, now: NOW }).await?;
    Ok(())
}

fn events(first: u64, count: u64) -> EventBatch {
    let mut events = BatchBuilder::new(first);
    for _ in 0..count {
        events.push(|bytes| bytes.put_slice(&PAYLOAD));
    }
    events.take()
}

fn append(claimed: &Claimed, first: u64, count: u64) -> Append {
    Append {
        task_id: claimed.task.spec.task_id.clone(),
        token: claimed.token,
        events: events(first, count),
        progress: Progress::default(),
        cost_usd: 0.1,
        conversation: None,
        now: NOW,
    }
}

fn rate(count: usize, time: Duration) -> u128 {
    count as u128 * 1_000_000 / time.as_micros().max(1)
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    format!(
        "p50 {:.0?}, p99 {:.0?}, most {:.1?}",
        at(500),
        at(990),
        times.last().copied().unwrap_or_default()
    )
}

/// Memory of this process that is in use.
fn resident() -> Outcomes<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

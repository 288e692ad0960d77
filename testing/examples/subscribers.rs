//! One task and many subscribers: do some that do not read slow the others down, and what do they cost?
//! `cargo run --release -p testing --example subscribers -- target/release/claude-code-server [all] [asleep] [events] [rounds]`
//!
//! Rounds of three kinds take turns: all read; some sleep until the others are done; those that would sleep are not there.
//! A subscriber that misses an event, or gets one twice, ends the program.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use testing::{FastStream, Server, ServerBuilder, cpu_time, resident_kib};
use tokio::task::JoinSet;

const EVENT_BYTES: usize = 400;
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    AllRead,
    SomeSleep,
    FewerThere,
}

struct Plan {
    healthy: usize,
    asleep: usize,
    events: usize,
}

/// What a round showed.
struct Shown {
    /// Events that the healthy ones got, a second.
    rate: f64,
    /// Processor time of the server for 1,000 deliveries to them, microseconds.
    cpu: f64,
    /// KiB that the server had: before, at most, and at the end.
    memory: [u64; 3],
    /// How long those that slept took to get everything.
    woken: Option<Duration>,
    events: u64,
}

/// Follows how much memory a process has, until it is told to end.
fn weigh(pid: u32, ended: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<u64>> {
    std::thread::spawn(move || {
        let mut weights = vec![resident_kib(pid)];
        while !ended.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
            weights.push(resident_kib(pid));
        }
        weights
    })
}

async fn subscribe(server: &Server, task: &str, count: usize) -> Vec<FastStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(FastStream::open(server, task, "").await);
    }
    streams
}

/// Reads all of them to the end; gives how many events each had.
fn read(streams: Vec<FastStream>) -> JoinSet<u64> {
    streams.into_iter().map(FastStream::finish).collect()
}

async fn all_equal(reading: JoinSet<u64>) -> Option<u64> {
    let mut counts = reading.join_all().await;
    counts.dedup();
    assert!(counts.len() <= 1, "not all got the same number of events: {counts:?}");
    counts.pop()
}

async fn round(server: &Server, plan: &Plan, kind: Kind, number: usize) -> Shown {
    let (first, task) = (format!("before-{number}"), format!("round-{number}"));
    let workspace = server.workspace("shared");
    // The task waits behind this one until all have come.
    server.submit(&json!({"task_id": first, "prompt": "hold", "workspace": workspace})).await;
    let prompt = format!("emit {} {EVENT_BYTES}", plan.events);
    server.submit(&json!({"task_id": task, "prompt": prompt, "workspace": workspace})).await;
    let healthy = subscribe(server, &task, plan.healthy).await;
    let others = if kind == Kind::FewerThere { 0 } else { plan.asleep };
    let mut others = subscribe(server, &task, others).await;
    let ended = Arc::new(AtomicBool::new(false));
    let weights = weigh(server.pid(), Arc::clone(&ended));
    let (cpu, start) = (cpu_time(server.pid()), Instant::now());
    let others_reading =
        if kind == Kind::AllRead { read(std::mem::take(&mut others)) } else { JoinSet::new() };
    let healthy = read(healthy);
    server.post(&format!("/api/v1/tasks/{first}/interrupt"), &json!({})).await;
    let events = all_equal(healthy).await.expect("some subscribers");
    let (took, cpu) = (start.elapsed(), cpu_time(server.pid()) - cpu);
    let woken = Instant::now();
    let sleepers = others.len();
    assert!(others.iter().all(|stream| stream.last() == 0), "they slept");
    let got = [all_equal(others_reading).await, all_equal(read(others)).await];
    let woken = (sleepers > 0).then(|| woken.elapsed());
    assert!(got.into_iter().flatten().all(|got| got == events), "{got:?} instead of {events}");
    ended.store(true, Ordering::Relaxed);
    let weights = weights.join().expect("weights");
    let memory = [weights[0], *weights.iter().max().expect("weights"), resident_kib(server.pid())];
    let deliveries = plan.healthy as f64 * events as f64;
    Shown {
        rate: deliveries / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e9 / deliveries,
        memory,
        woken,
        events,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("the server's binary as first argument");
    let binary = Path::new(&binary).canonicalize().expect("the binary is there").display().to_string();
    let mut number = |usual: usize| arguments.next().map_or(usual, |text| text.parse().expect("a number"));
    let (all, asleep, events, rounds) = (number(500), number(50), number(100_000), number(3));
    let plan = Plan { healthy: all - asleep, asleep, events };
    let server = ServerBuilder::stub(&binary)
        .variable("SESSION_MAX_CONCURRENT", "1")
        .variable("SERVER_LOG_LEVEL", "info")
        .start()
        .await;
    let kinds = [
        (Kind::AllRead, format!("all {all} read")),
        (Kind::SomeSleep, format!("{asleep} of {all} sleep")),
        (Kind::FewerThere, format!("only {} there", all - asleep)),
    ];
    println!("server idle: RSS {} KiB", resident_kib(server.pid()));
    let mut rates = [const { Vec::new() }; 3];
    for round_number in 0..rounds {
        for (place, (kind, name)) in kinds.iter().enumerate() {
            let shown = round(&server, &plan, *kind, round_number * kinds.len() + place).await;
            let [before, most, after] = shown.memory;
            let woken = shown.woken.map_or(String::new(), |took| {
                format!(
                    ", woken: {:.0} k/s",
                    plan.asleep as f64 * shown.events as f64 / took.as_secs_f64() / 1e3
                )
            });
            println!(
                "{name:<18} {:>8.0} k deliveries/s to the {}, server {:.2} ms CPU per 1,000, RSS {before} → {most} → {after} KiB, \
                 {} events each{woken}",
                shown.rate / 1e3,
                plan.healthy,
                shown.cpu / 1e3,
                shown.events
            );
            rates[place].push(shown.rate);
        }
    }
    let [read, sleep, fewer] = rates.map(median);
    println!(
        "medians: sleeping / all reading {:.3}, sleeping / not there {:.3}",
        sleep / read,
        sleep / fewer
    );
    server.terminate();
    server.ended().await;
}

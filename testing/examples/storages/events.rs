//! How fast events come through, and how soon.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use testing::{FastStream, Server, cpu_time};
use tokio::task::JoinSet;

use super::wire::Wire;
use super::{Place, Storage, median, percentile, stop};

const EVENT_BYTES: usize = 512;
/// Events of all tasks of a round together.
const EVENTS: usize = 100_000;
const PACE: usize = 1_000;
const PACE_SECONDS: usize = 5;

/// Submits tasks that write as fast as they can, and reads all; gives events a second.
async fn flood(place: &Place, server: &Server, round: usize, tasks: usize) -> f64 {
    let prompt = format!("emit {} {EVENT_BYTES}", EVENTS / tasks);
    let mut reading = JoinSet::new();
    let started = Instant::now();
    for number in 0..tasks {
        let id = format!("flood-{round}-{tasks}-{number}");
        server.submit(&json!({"task_id": id, "prompt": prompt, "workspace": place.workspace(&id)})).await;
        reading.spawn(FastStream::open(server, &id, "").await.finish());
    }
    let events: u64 = reading.join_all().await.into_iter().sum();
    events as f64 / started.elapsed().as_secs_f64()
}

/// Milliseconds from the agent's write to the subscriber's read, for each event of a task at a steady pace.
async fn paced(place: &Place, server: &Server, round: usize) -> Vec<f64> {
    let id = format!("paced-{round}");
    let prompt = format!("rate {PACE} {EVENT_BYTES} {PACE_SECONDS}");
    server.submit(&json!({"task_id": id, "prompt": prompt, "workspace": place.workspace(&id)})).await;
    let mut stream = FastStream::open(server, &id, "").await;
    let mut times = Vec::new();
    let read = |event: &[u8]| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        times.extend(written_at(event).map(|written| now.saturating_sub(written).as_secs_f64() * 1e3));
    };
    let mut read = read;
    while stream.take(&mut read).await {}
    times
}

/// The time that the agent's text begins with: 19 digits of nanoseconds.
fn written_at(event: &[u8]) -> Option<Duration> {
    let start = event.windows(11).position(|bytes| bytes == b"\"content\":\"")? + 11;
    let digits = std::str::from_utf8(event.get(start..start + 19)?).ok()?;
    digits.parse().ok().map(Duration::from_nanos)
}

/// What the rounds of a storage showed.
#[derive(Default)]
struct Shown {
    one: Vec<f64>,
    sixteen: Vec<f64>,
    cpu: Vec<f64>,
    times: Vec<f64>,
}

pub(super) async fn measure(place: &Place, rounds: usize) {
    println!(
        "events of {EVENT_BYTES} bytes through a server to one subscriber a task, medians of {rounds} rounds"
    );
    let mut shown = [Shown::default(), Shown::default()];
    let mut wires = Vec::new();
    for round in 0..rounds {
        for (shown, storage) in shown.iter_mut().zip(Storage::ALL) {
            let (server, redis) = place.server(storage, 16).await;
            // The first agent's start is nobody's rate.
            flood(place, &server, round + rounds, 16).await;
            let cpu = cpu_time(server.pid());
            let before = redis.as_ref().map(Wire::of);
            shown.one.push(flood(place, &server, round, 1).await);
            let between = redis.as_ref().map(Wire::of);
            shown.sixteen.push(flood(place, &server, round, 16).await);
            let used = cpu_time(server.pid()) - cpu;
            shown.cpu.push(used.as_secs_f64() / (2 * EVENTS) as f64 * 1e5);
            if let (Some(before), Some(between), Some(redis)) = (before, between, &redis) {
                wires.push([between.since(before), Wire::of(redis).since(between)]);
            }
            shown.times.extend(paced(place, &server, round).await);
            stop([server]).await;
        }
    }
    for (shown, storage) in shown.iter_mut().zip(Storage::ALL) {
        let [half, most] = [50, 99].map(|percent| percentile(&mut shown.times, percent));
        println!(
            "{:<7} 1 task {:>8.0} events/s   16 tasks {:>8.0} events/s   server {:.2} s CPU per 100,000   at {PACE}/s: p50 {half:.2} ms, \
             p99 {most:.2} ms",
            storage.name(),
            median(shown.one.clone()),
            median(shown.sixteen.clone()),
            median(shown.cpu.clone()),
        );
    }
    let [sqlite, redis] = shown;
    println!(
        "Redis / SQLite: 1 task {:.2}, 16 tasks {:.2}",
        median(redis.one) / median(sqlite.one),
        median(redis.sixteen) / median(sqlite.sixteen)
    );
    for (place, tasks) in [1, 16].into_iter().enumerate() {
        let of = |each: fn(&Wire) -> u64| {
            median(wires.iter().map(|wires| each(&wires[place]) as f64 / EVENTS as f64).collect())
        };
        println!(
            "on the wire to Redis with {tasks} task(s), per event: {:.4} commands, {:.0} bytes in, {:.0} bytes out",
            of(|wire| wire.commands),
            of(|wire| wire.bytes_in),
            of(|wire| wire.bytes_out)
        );
    }
}

//! Events: how many a second, and how long each takes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use testing::{FastStream, cpu_time};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{Figures, Subject, quantile};

const ONE: &str = "emit 200000 400";
const TASKS: usize = 16;
const EACH: &str = "emit 25000 400";
const PACED: &str = "rate 1000 400 4";
/// What was written in the first half second is not counted.
const WARM_UP: usize = 500;
const STORED: &str = "emit 100000 400";
const REPLAYS: usize = 3;

pub(crate) async fn measure(subject: &Subject, figures: &mut Figures) {
    one_task(subject, figures).await;
    many_tasks(subject, figures).await;
    unread(subject, figures).await;
    latency(subject, figures).await;
    replay(subject, figures).await;
}

async fn one_task(subject: &Subject, figures: &mut Figures) {
    let (start, cpu) = (Instant::now(), cpu_time(subject.server.pid()));
    let id = subject.submit(ONE).await;
    let events = FastStream::open(&subject.server, &id, "").await.finish().await;
    let cpu = cpu_time(subject.server.pid()) - cpu;
    let rate = events as f64 / start.elapsed().as_secs_f64();
    figures.add("one task, POST to last event, k events/s", subject.storage, rate / 1e3);
    figures.add("  server CPU, s per 100 k events", subject.storage, cpu.as_secs_f64() * 1e5 / events as f64);
}

async fn many_tasks(subject: &Subject, figures: &mut Figures) {
    let start = Instant::now();
    let mut streams = JoinSet::new();
    for _ in 0..TASKS {
        let id = subject.submit(EACH).await;
        streams.spawn(FastStream::open(&subject.server, &id, "").await.finish());
    }
    let events: u64 = streams.join_all().await.into_iter().sum();
    let rate = events as f64 / start.elapsed().as_secs_f64();
    figures.add("16 tasks at once, k events/s in all", subject.storage, rate / 1e3);
}

async fn unread(subject: &Subject, figures: &mut Figures) {
    let start = Instant::now();
    let id = subject.submit(ONE).await;
    // Asking is no subscription: there is no event to wait for.
    while subject.server.get(&format!("/api/v1/tasks/{id}")).await.1["status"] != "completed" {
        sleep(Duration::from_millis(2)).await;
    }
    let took = start.elapsed().as_secs_f64();
    let events = FastStream::open(&subject.server, &id, "").await.finish().await;
    figures.add("one task without a subscriber, k events/s", subject.storage, events as f64 / took / 1e3);
}

async fn latency(subject: &Subject, figures: &mut Figures) {
    let id = subject.submit(PACED).await;
    let mut stream = FastStream::open(&subject.server, &id, "").await;
    let mut delays = Vec::new();
    while stream.take(|event| delays.extend(delay(event))).await {}
    let delays = delays.get(WARM_UP..).expect("that many events");
    figures.add("agent write to client at 1,000/s, p50, ms", subject.storage, quantile(delays, 0.5));
    figures.add("agent write to client at 1,000/s, p99, ms", subject.storage, quantile(delays, 0.99));
}

/// Milliseconds since an event was written, when it says that.
fn delay(event: &[u8]) -> Option<f64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos();
    let name = b"\"content\":\"";
    let place = event.windows(name.len()).position(|window| window == name)? + name.len();
    let written: u128 = std::str::from_utf8(event.get(place..place + 19)?).ok()?.parse().ok()?;
    Some(now.saturating_sub(written) as f64 / 1e6)
}

async fn replay(subject: &Subject, figures: &mut Figures) {
    let id = subject.submit(STORED).await;
    FastStream::open(&subject.server, &id, "").await.finish().await;
    for _ in 0..REPLAYS {
        let start = Instant::now();
        let events = FastStream::open(&subject.server, &id, "").await.finish().await;
        let rate = events as f64 / start.elapsed().as_secs_f64();
        figures.add("replay of 100,000 events, k events/s", subject.storage, rate / 1e3);
    }
}

//! How many events a second come through, and what they cost the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use testing::cpu_time;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Scale;
use crate::figure::Spec;
use crate::memory::pss_kib;
use crate::reader::{TEXT_BYTES, rate, read};
use crate::run::Samples;
use crate::systems::{Running, System, Wants};

/// Looks at the memory while agents write.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PER: f64 = 100_000.0;

const ONE: Spec = Spec::rate("events_one_task", "one task at full speed", "events/s")
    .targets(&[("memory", 500_000.0), ("sqlite", 250_000.0), ("redis", 125_000.0)])
    .per("relay_events");
const CPU: Spec = Spec::time("server_cpu_per_100k", "server's processor time per 100,000 events", "s")
    .targets(&[("sqlite", 0.4)])
    .per("relay_cpu_per_100k");
const GROWTH: Spec =
    Spec::memory("memory_per_100k", "what the server's memory has grown by after 100,000 events", "MiB")
        .slack(10.0);
const SIXTEEN: Spec =
    Spec::rate("events_16_tasks", "16 tasks at full speed, together", "events/s").per("relay_events");
const MANY: Spec = Spec::rate("events_200_sessions", "200 sessions at full speed, together", "events/s")
    .targets(&[("sqlite", 250_000.0), ("redis", 125_000.0)])
    .per("relay_events");
const MANY_MEMORY: Spec =
    Spec::memory("memory_200_sessions", "most memory of the server with 200 sessions streaming (PSS)", "MiB")
        .targets(&[("sqlite", 150.0), ("redis", 150.0)]);

/// Lets tasks write at once, each so many events; gives events a second of all, from the first submission to the last `complete`.
pub(crate) async fn flood(running: &Running, tasks: usize, each: usize) -> Result<f64> {
    let (asked, mut reading) = (Instant::now(), JoinSet::new());
    for _ in 0..tasks {
        let task = running.submit(&format!("emit {each} {TEXT_BYTES}")).await?;
        reading.spawn(read(running.stream(&task).await, each as u64));
    }
    rate(asked, &reading.join_all().await.into_iter().collect::<Result<Vec<_>>>()?)
}

/// One task.
pub(crate) async fn one(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = system.start(Wants::stubs(2)).await?;
    let mut samples = Samples::default();
    flood(&running, 1, scale.events(&*system, 50_000, 2_000)).await?; // nothing is warm the first time
    let events = scale.events(&*system, 400_000, 5_000);
    let (memory, cpu) = (pss_kib(running.pid)?, cpu_time(running.pid));
    samples.add(&ONE, flood(&running, 1, events).await?);
    let per_100k = PER / events as f64;
    samples.add(&CPU, (cpu_time(running.pid) - cpu).as_secs_f64() * per_100k);
    samples.add(&GROWTH, (pss_kib(running.pid)? - memory).max(0.0) / 1024.0 * per_100k);
    running.stop().await?;
    Ok(samples)
}

/// Many tasks.
pub(crate) async fn many(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let sessions = scale.of(200, 20);
    let running = system.start(Wants::stubs(sessions)).await?;
    let mut samples = Samples::default();
    flood(&running, 16, scale.of(2_000, 50)).await?;
    samples.add(&SIXTEEN, flood(&running, 16, scale.of(25_000, 200)).await?);
    let ended = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn(most_memory(running.pid, Arc::clone(&ended)));
    samples.add(&MANY, flood(&running, sessions, scale.of(2_500, 50)).await?);
    ended.store(true, Ordering::Relaxed);
    samples.add(&MANY_MEMORY, watch.await? / 1024.0);
    running.stop().await?;
    Ok(samples)
}

async fn most_memory(pid: u32, ended: Arc<AtomicBool>) -> f64 {
    let mut most = 0.0_f64;
    while !ended.load(Ordering::Relaxed) {
        most = most.max(pss_kib(pid).unwrap_or_default());
        // The kernel tells of no growth.
        sleep(LOOK_EVERY).await;
    }
    most
}

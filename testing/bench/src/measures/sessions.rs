//! What sessions cost that have no agent, and subscribers who wait.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use testing::agents;
use tokio::time::{Instant, sleep};

use super::Scale;
use super::submit::{Ends, at_once, tiny};
use crate::figure::Spec;
use crate::memory::pss_kib;
use crate::run::Samples;
use crate::systems::{Running, System, Wants};

const AGENTS: usize = 8;
const CALLERS: usize = 16;
const SUBSCRIBERS: usize = 500;
/// The storage frees its caches in the second after the last work, a thread ends after a second without, and in the three seconds after
/// a load the server has the allocator return what was freed (docs/where-the-time-goes.md).
const SETTLE: Duration = Duration::from_millis(4_300);
const AGENTS_END_WITHIN: Duration = Duration::from_secs(20);

const TEN: Spec = Spec::memory("memory_10_sessions", "memory with 10 sessions without an agent (PSS)", "MiB");
const HUNDRED: Spec =
    Spec::memory("memory_100_sessions", "memory with 100 sessions without an agent (PSS)", "MiB");
const THOUSAND: Spec =
    Spec::memory("memory_1000_sessions", "memory with 1,000 sessions without an agent (PSS)", "MiB");
const THREE_THOUSAND: Spec =
    Spec::memory("memory_3000_sessions", "memory with 3,000 sessions without an agent (PSS)", "MiB");
/// The first ones fill what has a fixed size too: caches, threads, the allocator's reserves.
const SESSION: Spec = Spec::memory(
    "memory_session",
    "memory per session without an agent, from the 101st to the 1,000th",
    "KiB",
)
.tolerance(0.5)
.slack(8.0);
/// What is left is the sessions' own.
const FURTHER_SESSION: Spec = Spec::memory(
    "memory_further_session",
    "memory per session without an agent, from the 1,001st to the 3,000th",
    "KiB",
)
.targets(&[("sqlite", 2.0), ("redis", 2.0)])
.tolerance(0.5)
.slack(2.0);
const SUBSCRIBER: Spec = Spec::memory("memory_subscriber", "memory per idle subscriber of 500", "KiB")
    .targets(&[("sqlite", 20.0), ("redis", 20.0), ("memory", 20.0)])
    .slack(5.0);

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = Arc::new(system.start(Wants { keeps_agents: false, ..Wants::stubs(AGENTS) }).await?);
    let mut samples = Samples::default();
    let sizes = [
        (10, &TEN, None),
        (scale.of(100, 20), &HUNDRED, None),
        (scale.of(1_000, 40), &THOUSAND, Some(&SESSION)),
        (scale.of(3_000, 60), &THREE_THOUSAND, Some(&FURTHER_SESSION)),
    ];
    let (mut there, mut weight) = (0, 0.0);
    for (sessions, spec, each) in sizes {
        let more = sessions - there;
        at_once(&running, CALLERS, more, tiny, Ends::Awaited).await?;
        settle(&running).await?;
        let kib = pss_kib(running.pid)?;
        samples.add(spec, kib / 1024.0);
        if let Some(each) = each {
            samples.add(each, (kib - weight).max(0.0) / more as f64);
        }
        (there, weight) = (sessions, kib);
    }
    samples.add(&SUBSCRIBER, subscriber(&running, scale.of(SUBSCRIBERS, 20)).await?);
    Ok(samples)
}

/// Waits until no agent is left.
async fn settle(running: &Running) -> Result<()> {
    let deadline = Instant::now() + AGENTS_END_WITHIN;
    while !agents(running.pid).is_empty() {
        ensure!(Instant::now() < deadline, "agents do not end");
        // The process table has no event to wait for.
        sleep(Duration::from_millis(20)).await;
    }
    // Its memory changes without telling.
    sleep(SETTLE).await;
    Ok(())
}

/// KiB that each of many who wait for a task's first event adds.
async fn subscriber(running: &Running, count: usize) -> Result<f64> {
    let (task, mut body) = running.task("say hi");
    body["delay_seconds"] = json!(86_400);
    running.submit_body(&body).await?;
    let before = pss_kib(running.pid)?;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(running.stream(&task).await);
    }
    sleep(SETTLE).await;
    let after = pss_kib(running.pid)?;
    drop(streams);
    Ok((after - before).max(0.0) / count as f64)
}

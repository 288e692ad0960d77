//! A task that has ended is read again.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Scale;
use crate::figure::Spec;
use crate::reader::{TEXT_BYTES, read};
use crate::run::Samples;
use crate::statistics::median;
use crate::systems::{System, Wants};

const UNREAD: Spec =
    Spec::rate("events_unread", "one task that nobody reads", "events/s").per("relay_events");
const REPLAY: Spec = Spec::rate("replay", "replay of a task of 100,000 events", "events/s")
    .targets(&[("memory", 500_000.0), ("sqlite", 500_000.0), ("redis", 250_000.0)])
    .per("fan_out_limit_1");
const REPLAYS: usize = 3;

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = system.start(Wants::stubs(2)).await?;
    let mut samples = Samples::default();
    let events = scale.of(100_000, 5_000);
    running.submit("say hi").await?;
    let began = Instant::now();
    let task = running.submit(&format!("emit {events} {TEXT_BYTES}")).await?;
    let ended = running.get(&format!("/api/v1/tasks/{task}/result?wait=120")).await?;
    samples.add(&UNREAD, events as f64 / began.elapsed().as_secs_f64());
    ensure!(ended["status"] == json!("completed"), "{ended}");
    let mut rates = Vec::new();
    for _ in 0..REPLAYS {
        let began = Instant::now();
        read(running.stream(&task).await, events as u64).await?;
        rates.push(events as f64 / began.elapsed().as_secs_f64());
    }
    samples.add(&REPLAY, median(&rates).context("no replay")?);
    running.stop().await?;
    Ok(samples)
}

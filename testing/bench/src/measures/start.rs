//! A start on 100,000 tasks that have ended.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::Scale;
use crate::figure::Spec;
use crate::run::Samples;
use crate::statistics::median;
use crate::systems::{ServerParts, Stock, Storage, System, Wants};

const STARTS: usize = 5;

const FULL: Spec = Spec::time("start_full", "start to /health, 100,000 ended tasks", "ms")
    .targets(&[("sqlite", 150.0), ("redis", 150.0)])
    .per("start_empty");
const KILLED: Spec =
    Spec::time("start_after_kill", "the same after the server was killed", "ms").per("start_empty");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let storage = match system.name() {
        "sqlite" => Storage::Sqlite,
        "redis" => Storage::Redis,
        other => bail!("{other} keeps nothing that a server could start on"),
    };
    let tasks = scale.of(100_000, 1_000);
    let stock = Arc::new(Stock::fill(storage, tasks).await?);
    let wants = Wants { stock: Some(stock), ..Wants::stubs(10) };
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let running = system.start(wants.clone()).await?;
        times.push(running.ready_after.as_secs_f64() * 1e3);
        let last = format!("/api/v1/tasks/stored-{}", tasks - 1);
        running.get(&last).await?;
        running.stop().await?;
    }
    let mut samples = Samples::default();
    samples.add(&FULL, median(&times).unwrap_or_default());
    let running = system.start(wants.clone()).await?;
    ServerParts::of(&running)?.server.signal(testing::Signal::KILL);
    drop(running);
    let running = system.start(wants).await?;
    samples.add(&KILLED, running.ready_after.as_secs_f64() * 1e3);
    running.stop().await?;
    Ok(samples)
}

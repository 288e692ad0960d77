//! A start on many tasks that have ended.

use std::sync::Arc;

use anyhow::{Result, bail};

use super::Scale;
use crate::figure::Spec;
use crate::run::Samples;
use crate::systems::{ServerParts, Stock, Storage, System, Wants};

const STARTS: usize = 5;

const FULL: Spec = Spec::time("start_full", "start to /health, 100,000 ended tasks", "ms")
    .targets(&[("sqlite", 150.0)])
    .per("start_empty");
/// Redis is filled by one script a step, of which a task needs four: 100,000 would take minutes.
const FULL_REDIS: Spec =
    Spec::time("start_full_20k", "start to /health, 20,000 ended tasks", "ms").per("start_empty");
const KILLED: Spec =
    Spec::time("start_after_kill", "the same start after the server was killed", "ms").per("start_empty");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let (storage, spec, tasks) = match system.name() {
        "sqlite" => (Storage::Sqlite, &FULL, scale.of(100_000, 1_000)),
        "redis" => (Storage::Redis, &FULL_REDIS, scale.of(20_000, 1_000)),
        other => bail!("{other} keeps nothing that a server could start on"),
    };
    let stock = Arc::new(Stock::fill(storage, tasks).await?);
    let wants = Wants { stock: Some(stock), ..Wants::stubs(10) };
    let mut samples = Samples::default();
    for _ in 0..STARTS {
        let running = system.start(wants.clone()).await?;
        samples.add(spec, running.ready_after.as_secs_f64() * 1e3);
        let last = format!("/api/v1/tasks/stored-{}", tasks - 1);
        running.get(&last).await?;
        running.stop().await?;
    }
    let running = system.start(wants.clone()).await?;
    ServerParts::of(&running)?.server.signal(testing::Signal::KILL);
    drop(running);
    let running = system.start(wants).await?;
    samples.add(&KILLED, running.ready_after.as_secs_f64() * 1e3);
    running.stop().await?;
    Ok(samples)
}

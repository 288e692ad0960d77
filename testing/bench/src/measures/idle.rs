//! A start on nothing, and what a server weighs that has nothing to do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use testing::children;
use tokio::time::sleep;

use super::Scale;
use crate::figure::Spec;
use crate::memory::{kib, pss_kib};
use crate::run::Samples;
use crate::systems::{System, Wants};

/// What a start has left to do is done by then.
const SETTLE: Duration = Duration::from_millis(700);

const START: Spec = Spec::time("start_empty", "start to /health, empty storage", "ms")
    .targets(&[("sqlite", 50.0), ("memory", 50.0), ("redis", 50.0)])
    .per("spawn");
const PSS: Spec = Spec::memory("idle_pss", "idle memory (PSS), helper processes included", "MiB").targets(&[
    ("sqlite", 15.0),
    ("memory", 15.0),
    ("redis", 15.0),
]);
const ANONYMOUS: Spec =
    Spec::memory("idle_anonymous", "idle memory that is no file's, as the program's pages are", "MiB");
const RSS: Spec = Spec::memory("idle_rss", "idle memory (RSS), helper processes included", "MiB");

pub(crate) async fn measure(system: Arc<dyn System>, _: Scale) -> Result<Samples> {
    let running = system.start(Wants::stubs(10)).await?;
    let mut samples = Samples::default();
    samples.add(&START, running.ready_after.as_secs_f64() * 1e3);
    // Its memory changes without telling.
    sleep(SETTLE).await;
    let mut family = children(running.pid);
    family.push(running.pid);
    let pss = family.iter().map(|pid| pss_kib(*pid)).sum::<Result<f64>>()?;
    let anonymous = family.iter().map(|pid| kib(*pid, "Anonymous")).sum::<Result<f64>>()?;
    let rss = family.iter().map(|pid| kib(*pid, "Rss")).sum::<Result<f64>>()?;
    samples.add(&PSS, pss / 1024.0);
    samples.add(&ANONYMOUS, anonymous / 1024.0);
    samples.add(&RSS, rss / 1024.0);
    running.stop().await?;
    Ok(samples)
}

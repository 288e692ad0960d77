//! How soon an event that an agent writes is at a client, at a steady pace. With a storage that keeps, it is committed before.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::Scale;
use crate::figure::Spec;
use crate::reader::{TEXT_BYTES, read_stamped};
use crate::run::Samples;
use crate::statistics::quantile;
use crate::systems::{System, Wants};

/// Events a second.
pub(crate) const PACE: usize = 1_000;
/// What was written in the first half second is not counted.
const WARM_UP: usize = 500;

const P50: Spec = Spec::time("latency_p50", "agent's write to client's read at 1,000 events/s, p50", "ms")
    .targets(&[("sqlite", 0.1), ("redis", 2.1)])
    .per("relay_latency_p50");
const P99: Spec = Spec::tail("latency_p99", "agent's write to client's read at 1,000 events/s, p99")
    .targets(&[("sqlite", 0.6), ("redis", 2.6)])
    .per("relay_latency_p99");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = system.start(Wants::stubs(2)).await?;
    let seconds = scale.of(4, 1);
    let task = running.submit(&format!("rate {PACE} {TEXT_BYTES} {seconds}")).await?;
    let read = read_stamped(running.stream(&task).await, (PACE * seconds) as u64).await?;
    let took = read.took.get(WARM_UP..).context("too few events")?;
    let mut samples = Samples::default();
    samples.add(&P50, quantile(took, 0.5).context("no events")?);
    samples.add(&P99, quantile(took, 0.99).context("no events")?);
    running.stop().await?;
    Ok(samples)
}

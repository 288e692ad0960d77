//! What goes over the wire to Redis, by its own count.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use testing::RedisServer;

use super::Scale;
use super::stream::flood;
use crate::figure::Spec;
use crate::run::Samples;
use crate::systems::{System, Wants};

const SCRIPTS: Spec =
    Spec::memory("redis_scripts_per_event", "scripts that Redis runs per event of 16 tasks", "scripts")
        .tolerance(0.5);
const IN: Spec = Spec::memory("redis_bytes_in", "bytes to Redis per event of 512 bytes", "B");
const OUT: Spec = Spec::memory("redis_bytes_out", "bytes from Redis per event", "B");

/// Counters of a Redis.
#[derive(Clone, Copy)]
struct Wire {
    scripts: f64,
    bytes_in: f64,
    bytes_out: f64,
}

impl Wire {
    fn of(redis: &RedisServer) -> Result<Self> {
        let (stats, commands) = (redis.info("stats"), redis.info("commandstats"));
        let number = |text: &str, name: &str| -> Result<f64> {
            let rest = text.lines().find_map(|line| line.strip_prefix(name));
            let digits = rest
                .and_then(|rest| rest.split(',').next())
                .with_context(|| format!("Redis does not tell {name}"))?;
            Ok(digits.trim().parse()?)
        };
        Ok(Self {
            scripts: number(&commands, "cmdstat_evalsha:calls=")?,
            bytes_in: number(&stats, "total_net_input_bytes:")?,
            bytes_out: number(&stats, "total_net_output_bytes:")?,
        })
    }
}

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = system.start(Wants::stubs(16)).await?;
    let Some(redis) = running.redis.clone() else { bail!("{} has no Redis", system.name()) };
    flood(&running, 16, scale.of(1_000, 50)).await?;
    let each = scale.of(6_000, 200);
    let before = Wire::of(&redis)?;
    flood(&running, 16, each).await?;
    let (after, events) = (Wire::of(&redis)?, (16 * each) as f64);
    let mut samples = Samples::default();
    samples.add(&SCRIPTS, (after.scripts - before.scripts) / events);
    samples.add(&IN, (after.bytes_in - before.bytes_in) / events);
    samples.add(&OUT, (after.bytes_out - before.bytes_out) / events);
    running.stop().await?;
    Ok(samples)
}

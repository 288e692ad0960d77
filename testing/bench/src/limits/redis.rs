//! Redis with an append-only file that is synced once a second: events added to a stream.

use std::time::Instant;

use anyhow::{Result, ensure};
use redis::aio::MultiplexedConnection;
use testing::RedisServer;

use super::EVENT_BYTES;
use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;

const ONE: Spec = Spec::rate("redis_xadd_1", "Redis, XADD one by one", "events/s");
const PIPELINED: Spec = Spec::rate("redis_xadd_100", "Redis, XADD pipelined by 100", "events/s");
const A_PIPELINE: usize = 100;

pub(crate) async fn measure(scale: Scale) -> Result<Samples> {
    let server = RedisServer::start_synced("everysec").await;
    let mut connection = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
    let mut samples = Samples::default();
    samples.add(&ONE, rate(&mut connection, "one", scale.of(10_000, 100), 1).await?);
    samples.add(&PIPELINED, rate(&mut connection, "many", scale.of(100_000, 1_000), A_PIPELINE).await?);
    Ok(samples)
}

async fn rate(
    connection: &mut MultiplexedConnection,
    key: &str,
    events: usize,
    at_once: usize,
) -> Result<f64> {
    let event = vec![b'x'; EVENT_BYTES];
    let began = Instant::now();
    for _ in 0..events / at_once {
        let mut pipeline = redis::pipe();
        for _ in 0..at_once {
            pipeline.cmd("XADD").arg(key).arg("*").arg("e").arg(&event).ignore();
        }
        let () = pipeline.query_async(connection).await?;
    }
    let took = began.elapsed().as_secs_f64();
    let length: usize = redis::cmd("XLEN").arg(key).query_async(connection).await?;
    ensure!(length == events, "{length} of {events} events are there");
    Ok(events as f64 / took)
}

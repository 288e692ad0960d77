//! What this machine can do without the server: each as small as it can be and still be right, since it is a yardstick.

mod append;
mod cli;
mod fan_out;
mod frames;
mod http;
mod pipe;
mod redis;
mod relay;
mod spawn;
mod sqlite;

use std::sync::Arc;

use anyhow::Result;
use futures_util::future::BoxFuture;

use crate::measures::Scale;
use crate::run::{Job, MACHINE, Samples};

/// Bytes of an event, its line feed included.
const EVENT_BYTES: usize = 512;

/// A limit.
struct Limit {
    name: &'static str,
    is_once: bool,
    run: fn(Scale) -> BoxFuture<'static, Result<Samples>>,
}

const ALL: &[Limit] = &[
    Limit { name: "limit_pipe", is_once: false, run: |scale| blocking(scale, pipe::measure) },
    Limit { name: "limit_relay", is_once: false, run: |scale| blocking(scale, relay::measure) },
    Limit { name: "limit_http", is_once: false, run: |scale| Box::pin(http::measure(scale)) },
    Limit { name: "limit_fan_out", is_once: false, run: |scale| Box::pin(fan_out::measure(scale)) },
    Limit { name: "limit_spawn", is_once: false, run: |scale| blocking(scale, spawn::measure) },
    Limit { name: "limit_sqlite", is_once: false, run: |scale| blocking(scale, sqlite::measure) },
    Limit { name: "limit_append", is_once: false, run: |scale| blocking(scale, append::measure) },
    Limit { name: "limit_redis", is_once: false, run: |scale| Box::pin(redis::measure(scale)) },
    Limit { name: "limit_cli", is_once: true, run: |scale| Box::pin(cli::measure(scale)) },
];

/// Threads of its own for what does not wait asynchronously.
fn blocking(scale: Scale, measure: fn(Scale) -> Result<Samples>) -> BoxFuture<'static, Result<Samples>> {
    Box::pin(async move { tokio::task::spawn_blocking(move || measure(scale)).await? })
}

/// Names of all limits.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|limit| limit.name)
}

/// The jobs of a round.
pub(crate) fn jobs(scale: Scale) -> Vec<Job> {
    let jobs = ALL.iter().map(|limit| {
        let run = Arc::new(move || (limit.run)(scale));
        Job { measure: limit.name, variant: MACHINE.to_owned(), is_once: limit.is_once, run }
    });
    jobs.collect()
}

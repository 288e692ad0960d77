//! How long callers wait for the answer to a submission. With a storage that keeps, the task is committed when the answer comes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Scale;
use crate::figure::Spec;
use crate::run::Samples;
use crate::statistics::quantile;
use crate::systems::{Running, ServerParts, System, Wants};

const PROMPT: &str = "say hi";
const AGENTS: usize = 10;
const CALLERS: usize = 32;

const P50_1: Spec = Spec::time("submit_p50_c1", "submission of a new session, one caller, p50", "ms")
    .targets(&[("sqlite", 1.0), ("redis", 3.0)])
    .per("http_answer_p50");
const P99_1: Spec =
    Spec::tail("submit_p99_c1", "submission of a new session, one caller, p99").per("http_answer_p50");
const P50_8: Spec = Spec::time("submit_p50_c8", "submission of a new session, 8 callers, p50", "ms")
    .per("http_answer_p50_c32");
const P99_8: Spec =
    Spec::tail("submit_p99_c8", "submission of a new session, 8 callers, p99").per("http_answer_p50_c32");
const P50_32: Spec = Spec::time("submit_p50_c32", "submission of a new session, 32 callers, p50", "ms")
    .per("http_answer_p50_c32");
const P99_32: Spec = Spec::tail("submit_p99_c32", "submission of a new session, 32 callers, p99")
    .targets(&[("sqlite", 60.0), ("redis", 62.0)])
    .per("http_answer_p50_c32");
const RATE: Spec =
    Spec::rate("submit_rate", "submissions of 32 callers while agents start and work", "tasks/s")
        .per("http_rate");
const WAITING: Spec =
    Spec::rate("submit_rate_waiting", "submissions of 32 callers that wait in the queue", "tasks/s")
        .per("http_rate");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = Arc::new(system.start(Wants::stubs(AGENTS)).await?);
    let mut samples = Samples::default();
    // A slow system's share of events is small; of submissions three times that are needed for a p99.
    let part = (3.0 * system.share()).min(1.0);
    let count = |usual: usize, quick: usize| (scale.of(usual, quick) as f64 * part).ceil() as usize;
    alone(&running, scale.of(20, 3)).await?; // the first agents' starts are not counted
    let times = alone(&running, count(100, 10)).await?;
    add(&mut samples, [&P50_1, &P99_1], &times)?;
    let (times, _) = at_once(&running, 8, count(400, 16), tiny, Ends::Awaited).await?;
    add(&mut samples, [&P50_8, &P99_8], &times)?;
    let (times, rate) = at_once(&running, CALLERS, count(800, 64), tiny, Ends::Awaited).await?;
    add(&mut samples, [&P50_32, &P99_32], &times)?;
    samples.add(&RATE, rate);
    if ServerParts::of(&running).is_ok() {
        let (_, rate) = at_once(&running, CALLERS, scale.of(3_000, 64), waiting, Ends::LeftWaiting).await?;
        samples.add(&WAITING, rate);
    }
    finish(running).await?;
    Ok(samples)
}

/// A task that has ended as soon as it runs.
pub(crate) fn tiny(running: &Running) -> Value {
    running.task(PROMPT).1
}

/// A task that waits for longer than the measurement lasts.
pub(crate) fn waiting(running: &Running) -> Value {
    let mut body = running.task(PROMPT).1;
    body["delay_seconds"] = json!(86_400);
    body
}

async fn finish(running: Arc<Running>) -> Result<()> {
    Arc::into_inner(running).context("a caller is left")?.stop().await
}

fn add(samples: &mut Samples, specs: [&'static Spec; 2], times: &[f64]) -> Result<()> {
    for (spec, share) in specs.into_iter().zip([0.5, 0.99]) {
        samples.add(spec, quantile(times, share).context("no submission")?);
    }
    Ok(())
}

async fn submit(running: &Running, body: &Value) -> Result<f64> {
    let began = Instant::now();
    running.submit_body(body).await?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Milliseconds of submissions, each after the end of the one before.
async fn alone(running: &Running, count: usize) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..count {
        let (id, body) = running.task(PROMPT);
        times.push(submit(running, &body).await?);
        running.ended(&[id]).await;
    }
    Ok(times)
}

/// What becomes of tasks that were submitted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// They are waited for, after the clock has stopped.
    Awaited,
    /// They stay where they are.
    LeftWaiting,
}

/// Submits from many connections at once. Gives milliseconds of each, and how many a second.
pub(crate) async fn at_once(
    running: &Arc<Running>,
    callers: usize,
    count: usize,
    body: fn(&Running) -> Value,
    ends: Ends,
) -> Result<(Vec<f64>, f64)> {
    let began = Instant::now();
    let mut working = JoinSet::new();
    for caller in 0..callers {
        let running = Arc::clone(running);
        working.spawn(async move {
            let (mut times, mut ids) = (Vec::new(), Vec::new());
            for _ in (caller..count).step_by(callers) {
                let body = body(&running);
                times.push(submit(&running, &body).await?);
                ids.extend(body["task_id"].as_str().map(str::to_owned));
            }
            anyhow::Ok((times, ids))
        });
    }
    let done = working.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let took = began.elapsed().as_secs_f64();
    let (times, ids): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    if ends == Ends::Awaited {
        running.ended(&ids.concat()).await;
    }
    Ok((times.concat(), count as f64 / took))
}

//! One session's queue grows long: is the next submission slower, and the list, and the next turn?

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Scale;
use super::submit::{Ends, at_once};
use crate::figure::Spec;
use crate::run::Samples;
use crate::systems::{Running, System, Wants};

const CALLERS: usize = 32;

const FIRST: Spec = Spec::rate("queue_first", "submissions into one session, the first 2,000", "tasks/s")
    .per("submit_rate_waiting");
const LAST: Spec = Spec::rate("queue_last", "submissions into one session in which 8,000 wait", "tasks/s")
    .per("queue_first");
const PAGE: Spec = Spec::time("queue_page", "a page of 100 tasks of a session in which 10,000 wait", "ms")
    .per("http_answer_p50");
const TURN: Spec = Spec::time("queue_turn", "interrupt of its running task to the end of the next one", "ms")
    .per("http_answer_p50");

/// In a session that has a name of its own.
fn queued(running: &Running) -> Value {
    let mut body = running.task("say hi").1;
    body["session"] = json!({"reuse_existing": true, "session_id": "session-first"});
    body
}

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = Arc::new(system.start(Wants::stubs(1)).await?);
    let mut samples = Samples::default();
    let mut first = running.task("hold").1;
    first["task_id"] = json!("first");
    let answer = running.submit_body(&first).await?;
    ensure!(answer["session_id"] == json!("session-first"), "{answer}");
    let step = scale.of(2_000, 50);
    let mut rates = Vec::new();
    for _ in 0..5 {
        rates.push(at_once(&running, CALLERS, step, queued, Ends::LeftWaiting).await?.1);
    }
    samples.add(&FIRST, *rates.first().context("no step")?);
    samples.add(&LAST, *rates.last().context("no step")?);
    let began = Instant::now();
    let page = running.get("/api/v1/tasks?session_id=session-first&order=oldest&limit=100").await?;
    samples.add(&PAGE, began.elapsed().as_secs_f64() * 1e3);
    let next = page["tasks"][1]["task_id"].as_str().with_context(|| format!("no second task: {page}"))?;
    let began = Instant::now();
    running.interrupt("first").await?;
    running.stream(next).await.finish().await;
    samples.add(&TURN, began.elapsed().as_secs_f64() * 1e3);
    Ok(samples)
}

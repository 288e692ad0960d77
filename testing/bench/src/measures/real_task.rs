//! Whole tasks of the real CLI, each with a process of its own: until `complete` is at a reader.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use scripted_model::{Options, ScriptedModel};

use super::Scale;
use crate::figure::Spec;
use crate::run::Samples;
use crate::statistics::median;
use crate::systems::{Agent, Running, System, Wants};

const TASK: Spec =
    Spec::time("cli_task", "real CLI, new session: POST to `complete`, p50", "ms").per("cli_own_cold");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let model = ScriptedModel::start(Options::default()).await?;
    let agent = Agent::Real { model_url: model.base_url() };
    let wants = Wants { agents: 4, agent, keeps_agents: false, prewarm: 0, stock: None };
    let running = system.start(wants).await?;
    task(&running).await?; // nothing is warm the first time
    let mut times = Vec::new();
    for _ in 0..scale.of(5, 1) {
        times.push(task(&running).await?);
    }
    let mut samples = Samples::default();
    samples.add(&TASK, median(&times).context("no task")?);
    running.stop().await?;
    model.shutdown().await;
    Ok(samples)
}

/// Milliseconds of one; fails unless the agent has said what it was told to.
async fn task(running: &Running) -> Result<f64> {
    let (id, body) = running.task("");
    let (text, mut body) = (format!("said by {id}"), body);
    body["prompt"] = format!("[[say {text}]]").into();
    let began = Instant::now();
    running.submit_body(&body).await?;
    let (mut stream, mut last) = (running.stream(&id).await, Vec::new());
    let mut each = |event: &[u8]| last = event.to_vec();
    while stream.take(&mut each).await {}
    let took = began.elapsed().as_secs_f64() * 1e3;
    let last = String::from_utf8_lossy(&last).into_owned();
    ensure!(last.contains("\"completed\"") && last.contains(&text), "{last}");
    Ok(took)
}

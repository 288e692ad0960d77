//! The road of one task through the real CLI, its model behind it a script: until the model is asked, and until the first event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use scripted_model::{Options, ScriptedModel};
use serde_json::{Value, json};
use testing::{agents, cpu_time};
use tokio::time::{sleep, timeout};

use super::Scale;
use crate::figure::Spec;
use crate::memory::{kib, pss_kib};
use crate::run::Samples;
use crate::statistics::median;
use crate::systems::{Agent, Running, System, Wants};

const COLD: Road = Road {
    request: Spec::time(
        "cli_cold_request",
        "real CLI, new session, no process ready: POST to model request",
        "ms",
    )
    .targets(&[("sqlite", 560.0)])
    .per("cli_own_cold"),
    event: Spec::time("cli_cold_event", "real CLI, new session, no process ready: POST to first event", "ms")
        .per("cli_own_cold"),
};
const POOL: Road = Road {
    request: Spec::time(
        "cli_pool_request",
        "real CLI, new session, a process was kept ready: POST to model request",
        "ms",
    )
    .targets(&[("sqlite", 230.0)])
    .per("cli_own_cold"),
    event: Spec::time(
        "cli_pool_event",
        "real CLI, new session, a process was kept ready: POST to first event",
        "ms",
    )
    .per("cli_own_cold"),
};
const WARM: Road = Road {
    request: Spec::time(
        "cli_warm_request",
        "real CLI, session whose process is alive: POST to model request",
        "ms",
    )
    .targets(&[("sqlite", 60.0)])
    .per("cli_own_warm"),
    event: Spec::time(
        "cli_warm_event",
        "real CLI, session whose process is alive: POST to first event",
        "ms",
    )
    .per("cli_own_warm"),
};
const RESUME: Road = Road {
    request: Spec::time(
        "cli_resume_request",
        "real CLI, session whose process has ended: POST to model request",
        "ms",
    )
    .targets(&[("sqlite", 560.0)])
    .per("cli_own_cold"),
    event: Spec::time(
        "cli_resume_event",
        "real CLI, session whose process has ended: POST to first event",
        "ms",
    )
    .per("cli_own_cold"),
};
const ANSWER: Spec =
    Spec::time("cli_answer", "real CLI: answer to the POST, p50", "ms").per("http_answer_p50");
const INTERRUPT: Spec =
    Spec::time("cli_interrupt", "real CLI, interrupt of a command that runs: request to `complete`", "ms")
        .per("http_answer_p50");
const AGENT_PSS: Spec = Spec::memory("cli_agent_pss", "real CLI: one agent's process (PSS)", "MiB");
const AGENT_DIRTY: Spec =
    Spec::memory("cli_agent_private", "real CLI: one agent's private dirty memory", "MiB");

/// A process that got ready does nothing for so long.
const QUIET: Duration = Duration::from_millis(400);
const READY_WITHIN: Duration = Duration::from_secs(30);
const ASKED_WITHIN: Duration = Duration::from_secs(30);

/// Milliseconds since the POST.
struct Road {
    request: Spec,
    event: Spec,
}

struct Times {
    answer: f64,
    request: f64,
    event: f64,
}

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let model = ScriptedModel::start(Options::default()).await?;
    let mut samples = Samples::default();
    let times = scale.of(5, 1);
    let agent = Agent::Real { model_url: model.base_url() };
    let wants = Wants { agents: 4, agent, keeps_agents: true, prewarm: 0, stock: None };
    let running = system.start(Wants { keeps_agents: false, ..wants.clone() }).await?;
    without_agents(&running, &model, times, &mut samples).await?;
    running.stop().await?;
    let running = system.start(wants.clone()).await?;
    alive(&running, &model, times, &mut samples).await?;
    running.stop().await?;
    let running = system.start(Wants { prewarm: 1, ..wants }).await?;
    let mut all = Vec::new();
    for number in 0..times {
        quiet(&running, 1).await?;
        all.push(task(&running, &model, &format!("pool-{number}"), None).await?);
        end_session(&running, &format!("pool-{number}")).await?;
    }
    add(&mut samples, &POOL, &all)?;
    running.stop().await?;
    model.shutdown().await;
    Ok(samples)
}

/// Each task starts a process, in a new session and in one that had a task.
async fn without_agents(
    running: &Running,
    model: &ScriptedModel,
    times: usize,
    samples: &mut Samples,
) -> Result<()> {
    task(running, model, "unmeasured", None).await?;
    let (mut cold, mut resumed) = (Vec::new(), Vec::new());
    for number in 0..times {
        let id = format!("cold-{number}");
        quiet(running, 0).await?;
        cold.push(task(running, model, &id, None).await?);
        quiet(running, 0).await?;
        resumed.push(task(running, model, &format!("resumed-{number}"), Some(&id)).await?);
    }
    let answers: Vec<_> = cold.iter().chain(&resumed).map(|times| times.answer).collect();
    samples.add(&ANSWER, median(&answers).context("no task")?);
    add(samples, &COLD, &cold)?;
    add(samples, &RESUME, &resumed)
}

/// One process takes task after task.
async fn alive(running: &Running, model: &ScriptedModel, times: usize, samples: &mut Samples) -> Result<()> {
    task(running, model, "alive", None).await?;
    task(running, model, "alive-again", Some("alive")).await?;
    let mut all = Vec::new();
    for number in 0..times {
        all.push(task(running, model, &format!("alive-{number}"), Some("alive")).await?);
    }
    add(samples, &WARM, &all)?;
    let pids = agents(running.pid);
    let [agent] = pids.as_slice() else { anyhow::bail!("{} agents instead of one", pids.len()) };
    samples.add(&AGENT_PSS, pss_kib(*agent)? / 1024.0);
    samples.add(&AGENT_DIRTY, kib(*agent, "Private_Dirty")? / 1024.0);
    samples.add(&INTERRUPT, interrupt(running).await?);
    Ok(())
}

fn add(samples: &mut Samples, road: &'static Road, all: &[Times]) -> Result<()> {
    let of = |each: fn(&Times) -> f64| median(&all.iter().map(each).collect::<Vec<_>>()).context("no task");
    samples.add(&road.request, of(|times| times.request)?);
    samples.add(&road.event, of(|times| times.event)?);
    Ok(())
}

/// Runs a task to its end, in the session of another one's if there is one. Its subscriber is there before it.
async fn task(running: &Running, model: &ScriptedModel, id: &str, after: Option<&str>) -> Result<Times> {
    let text = format!("said by {id}");
    let (_, mut body) = running.task(&format!("[[say {text}]]"));
    body["task_id"] = json!(id);
    if let Some(after) = after {
        body["session"] = json!({"reuse_existing": true, "session_id": format!("session-{after}")});
    }
    let mut stream = running.stream(id).await;
    let began = Instant::now();
    let millis = |at: Instant| at.duration_since(began).as_secs_f64() * 1e3;
    running.submit_body(&body).await?;
    let answered = Instant::now();
    let first = async {
        let goes_on = stream.take(|_| {}).await;
        (goes_on, Instant::now())
    };
    let asked =
        model.wait_for_request(|request| request.last_user_text.contains(&text) && !request.tools.is_empty());
    let ((goes_on, first), asked) = timeout(ASKED_WITHIN, async { tokio::join!(first, asked) })
        .await
        .context("the model was not asked")?;
    ensure!(goes_on, "{id} ended with its first event");
    stream.finish().await;
    let ended = running.get(&format!("/api/v1/tasks/{id}/result?wait=30")).await?;
    let summary = &ended["result"]["summary"];
    ensure!(ended["status"] == json!("completed") && *summary == json!(text), "{ended}");
    Ok(Times { answer: millis(answered), request: millis(asked.at), event: millis(first) })
}

/// Waits until there are so many agents, and all of them are at rest: one that gets ready does not tell.
async fn quiet(running: &Running, count: usize) -> Result<()> {
    let looks = async {
        let mut before = None;
        loop {
            let pids = agents(running.pid);
            let used: Duration = pids.iter().map(|pid| cpu_time(*pid)).sum();
            let now = (pids.len() == count).then_some(used);
            // An idle CLI uses less than a hundredth of a core.
            let is_quiet = match (before, now) {
                (Some(before), Some(now)) => now - before <= Duration::from_millis(10),
                _ => false,
            };
            if is_quiet || (count == 0 && now.is_some()) {
                return;
            }
            before = now;
            sleep(QUIET).await;
        }
    };
    timeout(READY_WITHIN, looks).await.with_context(|| format!("{count} agents did not come to rest"))
}

async fn end_session(running: &Running, task: &str) -> Result<Value> {
    running.delete(&format!("/api/v1/sessions/session-{task}")).await
}

/// Milliseconds until a task that hangs in a command is complete.
async fn interrupt(running: &Running) -> Result<f64> {
    let prompt = "[[bash python3 -c 'import time; time.sleep(600)']]";
    let (id, mut body) = running.task(prompt);
    body["session"] = json!({"reuse_existing": true, "session_id": "session-alive"});
    running.submit_body(&body).await?;
    let stream = running.reached(&id, b"{\"type\":\"tool_use\"").await?;
    // The tool's use is told before its command has begun, which tells nobody.
    sleep(QUIET).await;
    let began = Instant::now();
    let (answer, _) = tokio::join!(running.interrupt(&id), stream.finish());
    ensure!(answer?["status"] == json!("interrupted"), "it was not interrupted");
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

//! Several servers on one Redis: do more of them admit more, and how long does it take to reach one through another?

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testing::RedisServer;
use tokio::task::JoinSet;

use super::Scale;
use super::submit::waiting;
use crate::figure::Spec;
use crate::run::Samples;
use crate::statistics::median;
use crate::systems::{Running, ServerSystem, System, Wants};

const CALLERS: usize = 32;
/// How an event begins that tells of a tool's use.
const TOOL_USE: &[u8] = b"{\"type\":\"tool_use\"";

const TWO: Spec =
    Spec::rate("submit_rate_2_servers", "submissions of 32 callers to two servers in turn", "tasks/s")
        .per("submit_rate_waiting");
const THREE: Spec =
    Spec::rate("submit_rate_3_servers", "submissions of 32 callers to three servers in turn", "tasks/s")
        .per("submit_rate_waiting");
const MESSAGE: Spec = Spec::time("elsewhere_message", "message to an agent at another server, p50", "ms")
    .per("http_answer_p50");
const INTERRUPT: Spec = Spec::time("elsewhere_interrupt", "interrupt of a task at another server, p50", "ms")
    .per("http_answer_p50");
const DELETE: Spec =
    Spec::time("elsewhere_delete", "deletion of a task at another server, p50", "ms").per("http_answer_p50");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let system = system.as_server().context("it is another system")?;
    let mut samples = Samples::default();
    for (spec, count) in [(&TWO, 2), (&THREE, 3)] {
        let servers = servers(system, count).await?;
        samples.add(spec, rate(&servers, scale.of(3_000, 64)).await?);
        for server in servers {
            Arc::into_inner(server).context("a caller is left")?.stop().await?;
        }
    }
    reach(system, &mut samples, scale.of(40, 3)).await?;
    Ok(samples)
}

/// Servers of one agent each on a new Redis.
async fn servers(system: &ServerSystem, count: usize) -> Result<Vec<Arc<Running>>> {
    let redis = Arc::new(RedisServer::start_synced("everysec").await);
    let mut servers = Vec::new();
    for _ in 0..count {
        let server = system.start_on(&Wants::stubs(1), Some(Arc::clone(&redis))).await?;
        servers.push(Arc::new(server));
    }
    Ok(servers)
}

async fn rate(servers: &[Arc<Running>], count: usize) -> Result<f64> {
    let began = Instant::now();
    let mut working = JoinSet::new();
    for (caller, server) in servers.iter().cycle().take(CALLERS).cloned().enumerate() {
        working.spawn(async move {
            for number in (caller..count).step_by(CALLERS) {
                let mut body = waiting(&server);
                // Servers share the names of tasks.
                body["task_id"] = json!(format!("t-{number}"));
                server.submit_body(&body).await?;
            }
            anyhow::Ok(())
        });
    }
    working.join_all().await.into_iter().collect::<Result<()>>()?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Asks one server about tasks that the other one runs.
async fn reach(system: &ServerSystem, samples: &mut Samples, times: usize) -> Result<()> {
    let servers = servers(system, 2).await?;
    let [one, two] = servers.as_slice() else { anyhow::bail!("not two servers") };
    // Its only place is taken, so that it claims nothing.
    let occupying = working(one, "occupies").await?;
    let owner = owner(one).await?;
    let (worker, other) = if owner == 0 { (two, one) } else { (one, two) };
    let mut took = [Vec::new(), Vec::new(), Vec::new()];
    for number in 0..times {
        let task = working(worker, &format!("reached-{number}")).await?;
        let path = format!("/api/v1/tasks/{task}");
        let began = Instant::now();
        other.post(&format!("{path}/messages"), &json!({"text": "hurry"})).await?;
        let told = Instant::now();
        other.interrupt(&task).await?;
        let stopped = Instant::now();
        other.delete(&path).await?;
        for (times, (from, to)) in
            took.iter_mut().zip([(began, told), (told, stopped), (stopped, Instant::now())])
        {
            times.push(to.duration_since(from).as_secs_f64() * 1e3);
        }
    }
    for (spec, times) in [&MESSAGE, &INTERRUPT, &DELETE].into_iter().zip(&took) {
        samples.add(spec, median(times).context("no times")?);
    }
    other.interrupt(&occupying).await?;
    Ok(())
}

/// Submits a task and waits until its agent is in a tool.
async fn working(server: &Running, id: &str) -> Result<String> {
    let mut body: Value = server.task("tool Bash; hold").1;
    body["task_id"] = json!(id);
    server.submit_body(&body).await?;
    server.reached(id, TOOL_USE).await?;
    Ok(id.to_owned())
}

/// Which of two servers runs the only task: 0 for the one that is asked.
async fn owner(asked: &Running) -> Result<usize> {
    let listed = asked.get("/api/v1/instances").await?;
    let all = listed["instances"].as_array().context("no list of instances")?;
    let runs = all.iter().find(|one| one["active_tasks"] == json!(1)).context("no instance runs it")?;
    Ok(usize::from(runs["is_this"] == json!(false)))
}

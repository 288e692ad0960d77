//! How long `/health` takes while tasks stream and subscribers listen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::Scale;
use crate::figure::Spec;
use crate::reader::{TEXT_BYTES, read_stamped};
use crate::run::Samples;
use crate::statistics::quantile;
use crate::systems::{Running, System, Wants};

const TASKS: usize = 16;
/// Events a second of each task.
const PACE: usize = 100;
const ASK_EVERY: Duration = Duration::from_millis(10);

const P50: Spec = Spec::time(
    "health_p50_under_load",
    "/health while 16 tasks write 100 events/s each for 500 subscribers, p50",
    "ms",
)
.per("http_answer_p50");
const P99: Spec = Spec::tail(
    "health_p99_under_load",
    "/health while 16 tasks write 100 events/s each for 500 subscribers, p99",
)
.per("http_answer_p50");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = system.start(Wants::stubs(TASKS)).await?;
    let seconds = scale.of(5, 1);
    let texts = (PACE * seconds) as u64;
    let mut reading = JoinSet::new();
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        tasks.push(running.submit(&format!("rate {PACE} {TEXT_BYTES} {seconds}")).await?);
    }
    for task in tasks.iter().cycle().take(scale.of(500, TASKS)) {
        reading.spawn(read_stamped(running.stream(task).await, texts));
    }
    let mut samples = Samples::default();
    let times = ask(&running, Duration::from_secs(seconds as u64).mul_f64(0.8)).await?;
    samples.add(&P50, quantile(&times, 0.5).context("no answer")?);
    samples.add(&P99, quantile(&times, 0.99).context("no answer")?);
    reading.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    running.stop().await?;
    Ok(samples)
}

/// Asks until the time is up; gives the answers' milliseconds.
async fn ask(running: &Running, time: Duration) -> Result<Vec<f64>> {
    let (mut times, began) = (Vec::new(), Instant::now());
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < time {
        tick.tick().await;
        let asked = Instant::now();
        let health = running.get("/health").await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        ensure!(health["status"] == json!("healthy"), "{health}");
    }
    Ok(times)
}

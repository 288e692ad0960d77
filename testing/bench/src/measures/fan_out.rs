//! One task and many subscribers.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testing::FastStream;
use tokio::task::JoinSet;

use super::Scale;
use crate::figure::Spec;
use crate::reader::{Read, TEXT_BYTES, rate, read, read_stamped};
use crate::run::Samples;
use crate::statistics::quantile;
use crate::systems::{Running, System, Wants};

/// Of 500, so many do not read until the others are done.
const ASLEEP: usize = 50;
/// Events a second while it is measured how late they come.
const PACE: usize = 200;

/// How many subscribers, what to count as, and how many events there are.
struct Crowd {
    rate: Spec,
    tail: Spec,
    subscribers: usize,
    events: usize,
}

const TWO_MILLION: &[(&str, f64)] = &[("sqlite", 2e6), ("memory", 2e6), ("redis", 1e6)];

static CROWDS: [Crowd; 4] = [
    Crowd {
        rate: Spec::rate("fan_out_1", "deliveries of one task's events to 1 subscriber", "events/s")
            .per("fan_out_limit_1"),
        tail: Spec::tail("fan_out_latency_1", "agent's write to 1 subscriber's read at 200 events/s, p99")
            .per("relay_latency_p99"),
        subscribers: 1,
        events: 100_000,
    },
    Crowd {
        rate: Spec::rate("fan_out_10", "deliveries of one task's events to 10 subscribers", "events/s")
            .per("fan_out_limit_10"),
        tail: Spec::tail("fan_out_latency_10", "agent's write to 10 subscribers' reads at 200 events/s, p99")
            .per("relay_latency_p99"),
        subscribers: 10,
        events: 50_000,
    },
    Crowd {
        rate: Spec::rate("fan_out_100", "deliveries of one task's events to 100 subscribers", "events/s")
            .per("fan_out_limit_100")
            .targets(TWO_MILLION),
        tail: Spec::tail(
            "fan_out_latency_100",
            "agent's write to 100 subscribers' reads at 200 events/s, p99",
        )
        .per("relay_latency_p99"),
        subscribers: 100,
        events: 10_000,
    },
    Crowd {
        rate: Spec::rate("fan_out_500", "deliveries of one task's events to 500 subscribers", "events/s")
            .per("fan_out_limit_500")
            .targets(TWO_MILLION),
        tail: Spec::tail(
            "fan_out_latency_500",
            "agent's write to 500 subscribers' reads at 200 events/s, p99",
        )
        .per("relay_latency_p99"),
        subscribers: 500,
        events: 4_000,
    },
];
const SLEEPERS: Spec = Spec::rate(
    "fan_out_beside_sleepers",
    "deliveries to 450 of 500 subscribers while 50 do not read",
    "events/s",
)
.per("fan_out_500");

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    // One agent: the task that is watched waits behind another one until everybody has come.
    let running = system.start(Wants::stubs(1)).await?;
    let mut samples = Samples::default();
    watched(&running, 1, 0, &format!("emit 2000 {TEXT_BYTES}"), |stream| read(stream, 2_000)).await?;
    for crowd in &CROWDS {
        let (subscribers, events) =
            (scale.of(crowd.subscribers, crowd.subscribers.min(20)), scale.of(crowd.events, 200));
        let prompt = format!("emit {events} {TEXT_BYTES}");
        let (asked, reads) =
            watched(&running, subscribers, 0, &prompt, move |stream| read(stream, events as u64)).await?;
        samples.add(&crowd.rate, rate(asked, &reads)?);
        let prompt = format!("rate {PACE} {TEXT_BYTES} 1");
        let texts = PACE as u64;
        let (_, reads) =
            watched(&running, subscribers, 0, &prompt, move |stream| read_stamped(stream, texts)).await?;
        // The first quarter warms up.
        let took: Vec<_> = reads.into_iter().flat_map(|read| read.took.into_iter().skip(PACE / 4)).collect();
        samples.add(&crowd.tail, quantile(&took, 0.99).context("no events")?);
    }
    let (subscribers, events) = (scale.of(500, 20), scale.of(4_000, 200));
    let asleep = scale.of(ASLEEP, 2);
    let prompt = format!("emit {events} {TEXT_BYTES}");
    let (asked, reads) =
        watched(&running, subscribers, asleep, &prompt, move |stream| read(stream, events as u64)).await?;
    samples.add(&SLEEPERS, rate(asked, &reads)?);
    running.stop().await?;
    Ok(samples)
}

/// Lets subscribers gather before a task begins; gives when it was let go and what those that read saw. The others read afterwards, and get everything too.
async fn watched<F>(
    running: &Running,
    subscribers: usize,
    asleep: usize,
    prompt: &str,
    how: impl Fn(FastStream) -> F,
) -> Result<(Instant, Vec<Read>)>
where
    F: Future<Output = Result<Read>> + Send + 'static,
{
    let before = running.submit("hold").await?;
    let task = running.submit(prompt).await?;
    let mut streams = Vec::new();
    for _ in 0..subscribers {
        streams.push(running.stream(&task).await);
    }
    let sleeping = streams.split_off(subscribers - asleep);
    let reading: JoinSet<_> = streams.into_iter().map(&how).collect();
    let asked = Instant::now();
    let answer = running.interrupt(&before).await?;
    ensure!(answer["status"] == json!("interrupted"), "{answer}");
    let reads = reading.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    ensure!(sleeping.iter().all(|stream| stream.last() == 0), "who sleeps has read");
    let woken: JoinSet<_> = sleeping.into_iter().map(how).collect();
    woken.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    Ok((asked, reads))
}

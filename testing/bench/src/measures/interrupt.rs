//! How soon an agent stops, one that writes as fast as it can and one that writes at a steady pace: when it notices, and when a reader
//! sees `complete`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use testing::FastStream;

use super::Scale;
use crate::figure::Spec;
use crate::reader::TEXT_BYTES;
use crate::run::Samples;
use crate::statistics::median;
use crate::systems::{Running, System, Wants};

/// An agent that has written so much is in full flow.
const FLOWING: u64 = 20_000;
/// The start of the last event.
const COMPLETE: &[u8] = b"{\"type\":\"complete\"";
const INTERRUPTED: &[u8] = b"\"interrupted\"";

const NOTICED: Spec =
    Spec::time("interrupt_noticed", "interrupt of a flooding agent: request to its notice", "ms")
        .targets(&[("memory", 2.0), ("sqlite", 2.0), ("redis", 4.0)])
        .per("http_answer_p50");
const COMPLETED: Spec = Spec::time(
    "interrupt_complete",
    "interrupt of a flooding agent: request to `complete` at a reader",
    "ms",
)
.targets(&[("memory", 50.0), ("sqlite", 50.0), ("redis", 52.0)])
.per("http_answer_p50");

const STEADY: Spec = Spec::time(
    "interrupt_noticed_steady",
    "interrupt of an agent that writes 1,000 events/s: to its notice",
    "ms",
)
.per("http_answer_p50");
const STEADY_COMPLETED: Spec = Spec::time(
    "interrupt_complete_steady",
    "interrupt of an agent that writes 1,000 events/s: to `complete` at a reader",
    "ms",
)
.per("http_answer_p50");

/// How an agent writes, and how many events it has written when it is interrupted.
struct Pace {
    word: String,
    flowing: u64,
    noticed: &'static Spec,
    completed: &'static Spec,
}

/// Milliseconds since the request.
struct Shown {
    noticed: f64,
    complete: f64,
}

pub(crate) async fn measure(system: Arc<dyn System>, scale: Scale) -> Result<Samples> {
    let running = system.start(Wants::stubs(4)).await?;
    let folder = tempfile::tempdir()?;
    let flowing = scale.events(&*system, usize::try_from(FLOWING)?, 2_000) as u64;
    let flood = format!("emit 1000000000 {TEXT_BYTES}");
    let steady = format!("rate 1000 {TEXT_BYTES} 600");
    let paces = [
        Pace { word: flood, flowing, noticed: &NOTICED, completed: &COMPLETED },
        Pace { word: steady, flowing: 100, noticed: &STEADY, completed: &STEADY_COMPLETED },
    ];
    let mut samples = Samples::default();
    for pace in &paces {
        let mut shown = Vec::new();
        for number in 0..scale.of(8, 2) {
            let note = folder.path().join(format!("{}-{number}", pace.noticed.name));
            shown.push(once(&running, &note, pace).await?);
        }
        // The first one warms up.
        let shown = shown.get(1..).context("no interrupt")?;
        let of = |each: fn(&Shown) -> f64| median(&shown.iter().map(each).collect::<Vec<_>>());
        samples.add(pace.noticed, of(|shown| shown.noticed).context("no interrupt")?);
        samples.add(pace.completed, of(|shown| shown.complete).context("no interrupt")?);
    }
    running.stop().await?;
    Ok(samples)
}

async fn once(running: &Running, note: &Path, pace: &Pace) -> Result<Shown> {
    let prompt = format!("oninterrupt {} noticed; {}", note.display(), pace.word);
    let task = running.submit(&prompt).await?;
    let mut stream = running.stream(&task).await;
    while stream.last() < pace.flowing {
        ensure!(stream.take(|_| {}).await, "a task ended that has no end");
    }
    let (asked, began) = (SystemTime::now(), Instant::now());
    let (answer, complete) = tokio::join!(running.interrupt(&task), complete(stream));
    answer?;
    let asked = asked.duration_since(UNIX_EPOCH)?.as_nanos() as f64;
    let noted = std::fs::read_to_string(note).context("the agent noted no interrupt")?;
    let noted: f64 = noted.split_whitespace().next().context("an empty note")?.parse()?;
    let complete = complete?.duration_since(began).as_secs_f64() * 1e3;
    Ok(Shown { noticed: (noted - asked) / 1e6, complete })
}

/// When `complete` came.
async fn complete(mut stream: FastStream) -> Result<Instant> {
    let mut at = None;
    let each = |event: &[u8]| {
        if event.starts_with(COMPLETE) && event.windows(INTERRUPTED.len()).any(|bytes| bytes == INTERRUPTED) {
            at = Some(Instant::now());
        }
    };
    let mut each = each;
    while stream.take(&mut each).await {}
    at.context("the task ended otherwise than interrupted")
}

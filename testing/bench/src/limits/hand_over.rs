//! One thread wakes another that waits. What a stream loses on its way through one more thread is at least this.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;
use crate::statistics::median;

/// As often as the measure of latency has events.
const EVERY: Duration = Duration::from_millis(1);
const HAND_OVER: Spec =
    Spec::time("hand_over", "one thread wakes another that waits, 1,000 times a second, p50", "ms");

pub(crate) fn measure(scale: Scale) -> Result<Samples> {
    let times = scale.of(1_000, 20);
    let (sender, receiver) = sync_channel::<Instant>(1);
    let woken = thread::spawn(move || {
        let took = receiver.into_iter().map(|sent| sent.elapsed().as_secs_f64() * 1e3);
        took.collect::<Vec<_>>()
    });
    for _ in 0..times {
        // The other one has to wait, or it need not be woken.
        thread::sleep(EVERY);
        sender.send(Instant::now())?;
    }
    drop(sender);
    let took = woken.join().map_err(|_| anyhow!("the woken thread panicked"))?;
    let mut samples = Samples::default();
    samples.add(&HAND_OVER, median(&took).context("nobody was woken")?);
    Ok(samples)
}

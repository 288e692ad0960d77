//! Latencies and rates of the time since the last look.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Times that were measured.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<u64>);

/// Times in short, in milliseconds. Zero when there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// In short.
    pub(crate) fn spread(mut self) -> Spread {
        self.0.sort_unstable();
        let count = self.0.len();
        // The smallest time that no fewer than that many in a hundred reach.
        let rank = |percent: usize| (count * percent).div_ceil(100).saturating_sub(1);
        let at = |place: usize| self.0.get(place).map_or(0.0, |micros| *micros as f64 / 1000.0);
        Spread { count: count as u64, p50: at(rank(50)), p99: at(rank(99)), max: at(count.saturating_sub(1)) }
    }
}

/// What was measured since the last look.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// POST of a new task to its answer.
    pub(crate) submissions: Times,
    /// The agent's write of an event to its arrival at a reader.
    pub(crate) arrivals: Times,
    /// POST of an interrupt to `complete` at a reader.
    pub(crate) interrupts: Times,
    /// Events that readers were given.
    pub(crate) events: u64,
}

/// Measures for all callers.
#[derive(Default)]
pub(crate) struct Meter(Mutex<Window>);

impl Meter {
    fn change(&self, change: impl FnOnce(&mut Window)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn submission(&self, time: Duration) {
        self.change(|window| window.submissions.add(time));
    }

    pub(crate) fn interrupt(&self, time: Duration) {
        self.change(|window| window.interrupts.add(time));
    }

    /// A reader got an event; `time` where it says when it was written.
    pub(crate) fn event(&self, time: Option<Duration>) {
        self.change(|window| {
            window.events += 1;
            if let Some(time) = time {
                window.arrivals.add(time);
            }
        });
    }

    /// Takes what there is, and begins anew.
    pub(crate) fn take(&self) -> Window {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_taken_by_nearest_rank() {
        let mut times = Times::default();
        (1..=200).rev().for_each(|millis| times.add(Duration::from_millis(millis)));
        assert_eq!(times.spread(), Spread { count: 200, p50: 100.0, p99: 198.0, max: 200.0 });
        assert_eq!(Times::default().spread(), Spread::default());
    }

    #[test]
    fn a_look_begins_anew() {
        let meter = Meter::default();
        meter.event(None);
        meter.event(Some(Duration::from_millis(3)));
        let window = meter.take();
        assert_eq!((window.events, window.arrivals.spread().count), (2, 1));
        assert_eq!(meter.take().events, 0);
    }
}

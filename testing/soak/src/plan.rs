//! What is done to the server: how much, and when it is ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Between two restarts of a run that is long enough.
const RESTART_EVERY: Duration = Duration::from_secs(300);
/// A shorter run has restarts more often than that: this many would fit into all of it.
const RESTARTS_THAT_FIT: u32 = 8;
/// How long the last server lives at most before it is ended: what leaks slowly shows there.
const LONG_LIFE: Duration = Duration::from_secs(25 * 60);
/// In a shorter run, the last server lives for that share of it.
const LONG_LIFE_SHARE: f64 = 0.42;

/// What is asked of the server, all the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Load {
    /// Tasks that begin a session and end at once.
    pub(crate) short_tasks_per_second: f64,
    /// Tasks that stream, at the same time. Each has a reader that stays, and one that comes and goes.
    pub(crate) streams: usize,
    /// Events a second of each stream.
    pub(crate) stream_events_per_second: u32,
    /// Sessions that get one task after the other, at the same time.
    pub(crate) conversations: usize,
    /// Tasks that are interrupted while they work.
    pub(crate) interrupts_per_second: f64,
    /// Tasks that the real CLI works on, behind a scripted model.
    pub(crate) real_tasks_per_minute: f64,
}

impl Load {
    /// The usual load: about 12 submissions and 600 events a second, a quarter of a core of the server.
    pub(crate) fn usual() -> Self {
        Self {
            short_tasks_per_second: 8.0,
            streams: 3,
            stream_events_per_second: 200,
            conversations: 3,
            interrupts_per_second: 1.0,
            real_tasks_per_minute: 3.0,
        }
    }

    /// The same in another amount; streams stay as fast as they are.
    pub(crate) fn times(self, factor: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
        let count = |number: usize| (number as f64 * factor).round().max(1.0) as usize;
        Self {
            short_tasks_per_second: self.short_tasks_per_second * factor,
            streams: count(self.streams),
            conversations: count(self.conversations),
            interrupts_per_second: self.interrupts_per_second * factor,
            ..self
        }
    }
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// SIGTERM; it ends in order.
    Terminated,
    /// SIGKILL.
    Killed,
    /// By itself, which is a fault.
    Died,
}

/// A server is ended and another one started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restart {
    /// Since the start of the run.
    pub(crate) at: Duration,
    pub(crate) how: Ending,
}

/// The restarts of a run of this length, SIGTERM and SIGKILL in turn; none in the last part of it.
pub(crate) fn restarts(length: Duration) -> Vec<Restart> {
    let every = RESTART_EVERY.min(length / RESTARTS_THAT_FIT);
    let until = length - LONG_LIFE.min(length.mul_f64(LONG_LIFE_SHARE));
    let number_of = |number: u32| Restart {
        at: every * number,
        how: if number.is_multiple_of(2) { Ending::Killed } else { Ending::Terminated },
    };
    (1..).map(number_of).take_while(|restart| !every.is_zero() && restart.at <= until).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(length: u64) -> Vec<(u64, Ending)> {
        let restarts = restarts(Duration::from_secs(length * 60));
        restarts.into_iter().map(|restart| (restart.at.as_secs(), restart.how)).collect()
    }

    #[test]
    fn an_hour_has_a_restart_every_five_minutes_every_other_one_a_kill_and_a_long_life_at_the_end() {
        use Ending::{Killed, Terminated};
        let expected = [
            (300, Terminated),
            (600, Killed),
            (900, Terminated),
            (1200, Killed),
            (1500, Terminated),
            (1800, Killed),
            (2100, Terminated),
        ];
        assert_eq!(minutes(60), expected);
    }

    #[test]
    fn a_short_run_has_the_same_in_little() {
        use Ending::{Killed, Terminated};
        assert_eq!(minutes(4), [(30, Terminated), (60, Killed), (90, Terminated), (120, Killed)]);
        assert_eq!(minutes(0), []);
    }

    #[test]
    fn half_the_load_is_half_of_all_but_the_speed_of_a_stream() {
        let half = Load {
            short_tasks_per_second: 4.0,
            streams: 2,
            stream_events_per_second: 200,
            conversations: 2,
            interrupts_per_second: 0.5,
            real_tasks_per_minute: 3.0,
        };
        assert_eq!(Load::usual().times(0.5), half);
    }
}

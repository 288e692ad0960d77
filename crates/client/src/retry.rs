//! When to try again, and when to give up.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Longest time that a server may ask for with `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// A row of failures.
#[derive(Debug)]
pub(crate) struct Failures {
    patience: Duration,
    since: Option<Instant>,
    pause: Duration,
}

impl Failures {
    /// None yet; so long they may go on.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, since: None, pause: FIRST_PAUSE }
    }

    /// It worked: the row has ended.
    pub(crate) fn end(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Whether the next failure is the first of a row.
    pub(crate) fn is_new(&self) -> bool {
        self.since.is_none()
    }

    /// One more: how long to wait before the next try, or for how long it has failed when that is too long.
    pub(crate) fn another(&mut self, asked: Option<Duration>) -> Result<Duration, Duration> {
        let lasted = self.since.get_or_insert_with(Instant::now).elapsed();
        if lasted >= self.patience {
            return Err(lasted);
        }
        let pause = asked.map_or(self.pause, |asked| asked.clamp(FIRST_PAUSE, LONGEST_ASKED));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        // The last try is made when the time is up, not long after.
        Ok(pause.min(self.patience - lasted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_patience_ends() {
        let mut failures = Failures::new(Duration::from_secs(10));
        assert!(failures.is_new());
        let mut pauses = Vec::new();
        let lasted = loop {
            match failures.another(None) {
                Ok(pause) => {
                    pauses.push(pause.as_millis());
                    tokio::time::advance(pause).await;
                }
                Err(lasted) => break lasted,
            }
        };
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 3_700]);
        assert_eq!(lasted, Duration::from_secs(10));
        failures.end();
        assert_eq!(failures.another(Some(Duration::from_secs(3))), Ok(Duration::from_secs(3)));
        // However eager a server is to be asked again.
        assert_eq!(failures.another(Some(Duration::ZERO)), Ok(FIRST_PAUSE));
        assert_eq!(failures.another(Some(Duration::from_secs(300))), Ok(Duration::from_secs(10)));
    }
}

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
    since: Option<Instant>,
    pause: Duration,
}

impl Failures {
    /// None yet: the row begins with the first one.
    pub(crate) fn new() -> Self {
        Self { since: None, pause: FIRST_PAUSE }
    }

    /// None yet, but their time is counted from now on: what is tried first may take long to fail.
    pub(crate) fn from_now() -> Self {
        Self { since: Some(Instant::now()), ..Self::new() }
    }

    /// It worked: the row has ended.
    pub(crate) fn end(&mut self) {
        *self = Self::new();
    }

    /// Whether the next failure is the first of a row.
    pub(crate) fn is_new(&self) -> bool {
        self.since.is_none()
    }

    /// One more: how long to wait before the next try, or for how long it has failed when that is beyond `patience`.
    pub(crate) fn another(
        &mut self,
        asked: Option<Duration>,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        let lasted = self.since.get_or_insert_with(Instant::now).elapsed();
        if lasted >= patience {
            return Err(lasted);
        }
        let pause = asked.map_or(self.pause, |asked| asked.clamp(FIRST_PAUSE, LONGEST_ASKED));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        // The last try is made when the time is up, not long after.
        Ok(pause.min(patience - lasted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_patience_ends() {
        const PATIENCE: Duration = Duration::from_secs(10);
        let mut failures = Failures::new();
        assert!(failures.is_new());
        let mut pauses = Vec::new();
        let lasted = loop {
            match failures.another(None, PATIENCE) {
                Ok(pause) => {
                    pauses.push(pause.as_millis());
                    tokio::time::advance(pause).await;
                }
                Err(lasted) => break lasted,
            }
        };
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 3_700]);
        assert_eq!(lasted, PATIENCE);
        failures.end();
        assert_eq!(failures.another(Some(Duration::from_secs(3)), PATIENCE), Ok(Duration::from_secs(3)));
        // However eager a server is to be asked again.
        assert_eq!(failures.another(Some(Duration::ZERO), PATIENCE), Ok(FIRST_PAUSE));
        assert_eq!(failures.another(Some(Duration::from_secs(300)), PATIENCE), Ok(PATIENCE));
        let mut counted = Failures::from_now();
        tokio::time::advance(PATIENCE).await;
        assert_eq!(counted.another(None, PATIENCE), Err(PATIENCE));
    }
}

//! How long tasks take: what an estimate of a start is made of.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The weight of the newest task in the mean.
const NEWEST: f64 = 0.2;

#[derive(Debug, Default)]
struct State {
    /// Mean seconds that a task takes; `None` before the first has ended.
    mean: Option<f64>,
    running: usize,
}

/// Follows how long tasks take.
#[derive(Debug, Default)]
pub(crate) struct Tempo(Mutex<State>);

/// A task that runs; tells its end when it is dropped.
pub(crate) struct Running {
    tempo: Arc<Tempo>,
    since: Instant,
}

impl Tempo {
    /// A task begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).running += 1;
        Running { tempo: Arc::clone(self), since: Instant::now() }
    }

    /// How long a task will wait that has so many before it, with so many agents; `None` when nothing is known yet.
    pub(crate) fn wait_behind(&self, ahead: usize, agents: usize) -> Option<Duration> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = (state.running + ahead + 1).saturating_sub(agents);
        let rounds = busy as f64 / agents.max(1) as f64;
        Duration::try_from_secs_f64(state.mean? * rounds).ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let took = self.since.elapsed().as_secs_f64();
        let mut state = self.tempo.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.running -= 1;
        state.mean = Some(state.mean.map_or(took, |mean| mean * (1.0 - NEWEST) + took * NEWEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_as_many_rounds_as_stand_before_it() {
        let tempo = Arc::new(Tempo::default());
        assert_eq!(tempo.wait_behind(3, 2), None);
        let (first, second) = (tempo.begin(), tempo.begin());
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(first);
        assert_eq!(tempo.wait_behind(0, 2), Some(Duration::ZERO), "there is a place");
        assert_eq!(tempo.wait_behind(2, 2), Some(Duration::from_secs(10)));
        drop(second);
    }
}

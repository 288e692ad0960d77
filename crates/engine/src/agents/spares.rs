//! Agents that are ready before anybody needs them.

use std::sync::Arc;
use std::time::Duration;

use agent::{AgentSpec, LaunchError, Launched, Prepared};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Agents, AtWork};

/// After a spare was taken, the next one is started so much later: two processes that start at once are both late, and the one
/// that was taken has a task. Measured, the CLI asks the model within 220 ms of its claim.
const FILL_AFTER: Duration = Duration::from_millis(300);

/// An agent that waits for a new session.
pub(super) struct Spare {
    prepared: Box<dyn Prepared>,
    born: Instant,
    permit: OwnedSemaphorePermit,
}

impl Spare {
    /// Gives it its task.
    pub(super) async fn bind(self, spec: &AgentSpec) -> Result<AtWork, LaunchError> {
        let Self { prepared, born, permit } = self;
        let Launched { agent, events, conversation } = prepared.bind(spec).await?;
        Ok(AtWork {
            agent,
            events,
            conversation,
            is_ready: false,
            spec: spec.clone(),
            born,
            tasks: 0,
            permit,
        })
    }

    /// Ends it; gives its permit.
    pub(super) async fn end(self) -> OwnedSemaphorePermit {
        self.prepared.stop().await;
        self.permit
    }
}

impl Agents {
    /// A spare that can become what is wanted.
    pub(super) fn take_spare(&self, spec: &AgentSpec) -> Option<Spare> {
        let mut state = self.lock();
        state.spares.retain(|spare| spare.prepared.is_ready());
        let place = state.spares.iter().position(|spare| spare.prepared.fits(spec))?;
        state.fill_at = Some(Instant::now() + FILL_AFTER);
        self.spare_taken.notify_one();
        Some(state.spares.swap_remove(place))
    }

    /// Takes a spare that got ready, if it did. Gives it back when none is wanted any more.
    fn enter_spare(&self, spare: Option<Spare>) -> Option<Spare> {
        let mut state = self.lock();
        state.preparing -= 1;
        if state.closed {
            return spare;
        }
        state.spares.extend(spare);
        None
    }

    /// Waits until a spare was taken since the last call, so that another is to be started.
    pub(crate) async fn spare_taken(&self) {
        self.spare_taken.notified().await;
    }

    /// Starts spares until there are enough, as far as nobody else needs the permits. Gives when it wants to be called again.
    pub(crate) fn fill_spares(self: &Arc<Self>) -> Option<Instant> {
        let spec = self.settings.prewarmed.clone()?;
        loop {
            let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
            {
                let mut state = self.lock();
                state.spares.retain(|spare| spare.prepared.is_ready());
                if state.closed || state.spares.len() + state.preparing >= self.settings.prewarm {
                    return None;
                }
                if let Some(at) = state.fill_at.filter(|at| *at > Instant::now()) {
                    return Some(at);
                }
                state.preparing += 1;
            }
            self.tracker.spawn(prepare(Arc::clone(self), spec.clone(), permit));
        }
    }
}

async fn prepare(agents: Arc<Agents>, spec: AgentSpec, permit: OwnedSemaphorePermit) {
    let born = Instant::now();
    // One that is not ready yet is killed when the server stops.
    let prepared = agents.closing.run_until_cancelled(agents.launcher.prepare(&spec)).await;
    let spare = prepared.flatten().map(|prepared| Spare { prepared, born, permit });
    if let Some(spare) = agents.enter_spare(spare) {
        drop(spare.end().await);
    }
    agents.changed.notify_waiters();
}

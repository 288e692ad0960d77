//! Hands waiting tasks to agents, never more at once than there are permits.

use std::sync::Arc;
use std::time::Duration;

use store::Claimed;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::run::{Deps, run};

/// After the storage failed to answer, how long to wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) struct Dispatcher {
    pub(crate) deps: Arc<Deps>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) runs: TaskTracker,
    /// Cancelled when no further task is to start.
    pub(crate) stop_claiming: CancellationToken,
}

impl Dispatcher {
    /// Runs until told to stop claiming.
    pub(crate) async fn run(self) {
        let stop = self.stop_claiming.clone();
        while let Some(Ok(permit)) = stop.run_until_cancelled(Arc::clone(&self.permits).acquire_owned()).await
        {
            let Some(claimed) = self.claim().await else { return };
            self.start(claimed, permit);
        }
    }

    /// Waits for a task. `None` when there is to be none any more. A claim itself is never cut off: a task whose claim
    /// was committed must have a worker.
    async fn claim(&self) -> Option<Claimed> {
        let mut queue = self.deps.store.watch_queue();
        while !self.stop_claiming.is_cancelled() {
            queue.borrow_and_update();
            match self.deps.store.claim(self.deps.clock.now()).await {
                Ok(Some(claimed)) => return Some(claimed),
                Ok(None) => {
                    // The sender lives in the store, which we hold: an error cannot be.
                    self.stop_claiming.run_until_cancelled(queue.changed()).await;
                }
                Err(error) => {
                    tracing::error!(%error, "no task could be claimed");
                    self.stop_claiming.run_until_cancelled(tokio::time::sleep(RETRY_AFTER)).await;
                }
            }
        }
        None
    }

    fn start(&self, claimed: Claimed, permit: OwnedSemaphorePermit) {
        let deps = Arc::clone(&self.deps);
        tracing::info!(task_id = %claimed.task.spec.task_id, session_id = %claimed.task.session_id, "task started");
        self.runs.spawn(async move {
            Box::pin(run(deps, claimed)).await;
            drop(permit);
        });
    }
}

//! Hands waiting tasks to agents, never more at once than there are permits.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use store::{Claim, Claimed};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::agents::Slot;
use crate::engine::watched;
use crate::run::{Deps, run, wait_until};
use crate::tempo::Tempo;

/// After the storage failed to answer, how long to wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long at the most a delayed task is left to a timer.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(30);

pub(crate) struct Dispatcher {
    pub(crate) deps: Arc<Deps>,
    pub(crate) tempo: Arc<Tempo>,
    pub(crate) runs: TaskTracker,
    /// Cancelled when no further task is to start.
    pub(crate) stop_claiming: CancellationToken,
    /// Cancelled when a worker has panicked where nothing could be ended in order: its session is held.
    pub(crate) failed: CancellationToken,
}

impl Dispatcher {
    /// Runs until told to stop claiming.
    pub(crate) async fn run(self) {
        let mut queue = self.deps.store.watch_queue();
        let mut ticket = 0;
        while !self.stop_claiming.is_cancelled() {
            // Seen before the claim: what changes after it wakes us again.
            queue.borrow_and_update();
            let Some(slot) = self.stop_claiming.run_until_cancelled(self.deps.agents.slot()).await else {
                return;
            };
            if self.stop_claiming.is_cancelled() {
                return;
            }
            // A claim itself is never cut off: a task whose claim was committed must have a worker.
            match self.deps.store.claim(ticket, self.deps.clock.now()).await {
                Ok(Claim::Task(claimed)) => {
                    ticket += 1;
                    self.start(*claimed, slot);
                }
                Ok(Claim::Nothing { until }) => {
                    drop(slot);
                    // Only now: a permit is for whoever waits, first.
                    let fill_at = self.deps.agents.fill_spares();
                    let wait = async {
                        tokio::select! {
                            biased;
                            // The sender lives in the store, which we hold: an error cannot be.
                            changed = queue.changed() => drop(changed),
                            () = self.until(until) => {}
                            // The task that was just claimed may have taken it after we have looked.
                            () = self.deps.agents.spare_taken() => {}
                            () = wait_until(fill_at) => {}
                        }
                    };
                    self.stop_claiming.run_until_cancelled(wait).await;
                }
                Err(error) => {
                    drop(slot);
                    tracing::error!(%error, "no task could be claimed");
                    self.stop_claiming.run_until_cancelled(sleep(RETRY_AFTER)).await;
                }
            }
        }
    }

    async fn until(&self, until: Option<Timestamp>) {
        match until {
            // Not for long: while a machine sleeps, its timers do too, and its clock may be set.
            Some(until) => sleep(until.since(self.deps.clock.now()).min(LOOK_AGAIN_AFTER)).await,
            None => std::future::pending().await,
        }
    }

    fn start(&self, claimed: Claimed, slot: Slot) {
        let (deps, tempo) = (Arc::clone(&self.deps), Arc::clone(&self.tempo));
        let task = &claimed.task;
        let trace_id = task.spec.trace_parent.as_deref().and_then(telemetry::trace_id);
        tracing::info!(
            task_id = %task.spec.task_id,
            session_id = %task.session_id,
            attempt = task.attempt,
            trace_id,
            "task started"
        );
        if task.attempt == 1 {
            self.deps.metrics.task_started(self.deps.clock.now().since(task.created_at));
        }
        // So every line that is logged for it leads to its trace.
        let span = tracing::error_span!("task", task_id = %task.spec.task_id, trace_id);
        let run = async move {
            let running = tempo.begin();
            Box::pin(run(deps, claimed, slot)).await;
            drop(running);
        };
        self.runs.spawn(watched(self.failed.clone(), run.instrument(span)));
    }
}

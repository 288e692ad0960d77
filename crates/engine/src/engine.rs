//! Puts the parts together, and takes them apart at shutdown.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use agent::Launcher;
use domain::Clock;
use futures_util::FutureExt;
use store::{Store, StoreError};
use telemetry::{Metrics, Traces};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agents::Agents;
use crate::dispatcher::Dispatcher;
use crate::elsewhere::pass_on;
use crate::handle::Handle;
use crate::keeper::{clean_up, end_what_is_doomed};
use crate::lease::keep_part;
use crate::recovery::recover;
use crate::run::Deps;
use crate::run::messages::Inboxes;
use crate::settings::Settings;
use crate::tempo::Tempo;

/// All agents are gone within a second or two of being told; more means that something hangs.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The running engine. Shut it down before the runtime ends, or agents are killed without a word in the log.
pub struct Engine {
    handle: Handle,
    deps: Arc<Deps>,
    dispatcher: JoinHandle<()>,
    keepers: [JoinHandle<()>; 4],
    runs: TaskTracker,
    stop_claiming: CancellationToken,
    failed: CancellationToken,
}

impl Engine {
    /// Ends or carries on what an earlier server left, and starts to hand tasks to agents. What happens is counted in
    /// `metrics`, and shows in `traces`.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn start(
        settings: Settings,
        store: Arc<dyn Store>,
        launcher: Arc<dyn Launcher>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        traces: Traces,
    ) -> Result<Self, StoreError> {
        let settings = Arc::new(settings);
        let deps = Arc::new(Deps {
            inboxes: Inboxes::default(),
            store,
            agents: Agents::new(launcher, Arc::clone(&settings)),
            clock,
            settings,
            metrics,
            traces,
            stop_tasks: CancellationToken::new(),
        });
        recover(&deps).await?;
        let (stop_claiming, failed) = (CancellationToken::new(), CancellationToken::new());
        let (runs, tempo) = (TaskTracker::new(), Arc::new(Tempo::default()));
        let dispatcher = Dispatcher {
            deps: Arc::clone(&deps),
            tempo: Arc::clone(&tempo),
            runs: runs.clone(),
            stop_claiming: stop_claiming.clone(),
            failed: failed.clone(),
        };
        let handle = Handle::new(Arc::clone(&deps), tempo, stop_claiming.clone());
        let dispatcher = tokio::spawn(watched(failed.clone(), dispatcher.run()));
        let keepers = [
            tokio::spawn(watched(failed.clone(), end_what_is_doomed(Arc::clone(&deps)))),
            tokio::spawn(watched(failed.clone(), clean_up(Arc::clone(&deps)))),
            tokio::spawn(watched(failed.clone(), keep_part(Arc::clone(&deps)))),
            tokio::spawn(watched(failed.clone(), pass_on(Arc::clone(&deps)))),
        ];
        Ok(Self { handle, deps, dispatcher, keepers, runs, stop_claiming, failed })
    }

    /// Waits until something without which no task goes on has panicked. Only a restart helps then; what is stored is whole.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// What the outside works with.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Admits nothing more, lets running tasks go on for the drain time (or until `hurry` is cancelled), then
    /// interrupts them, or lets them wait for the next start if that is what they want; returns when every agent is gone.
    /// Tasks that wait stay in a durable store and are interrupted in one that is not.
    pub async fn shut_down(self, hurry: CancellationToken) {
        self.stop_claiming.cancel();
        if let Err(error) = self.dispatcher.await {
            tracing::error!(%error, "the dispatcher failed");
        }
        self.runs.close();
        self.handle.interrupt_what_waits().await;
        let drain = self.deps.settings.drain;
        if !drain.is_zero() {
            let drained = timeout(drain, self.runs.wait());
            if hurry.run_until_cancelled(drained).await.is_none_or(|drained| drained.is_err()) {
                tracing::info!("running tasks are interrupted");
            }
        }
        self.deps.stop_tasks.cancel();
        if timeout(STOP_WITHIN, self.runs.wait()).await.is_err() {
            tracing::error!(tasks = self.runs.len(), "tasks did not end in time");
        }
        for keeper in self.keepers {
            keeper.abort();
        }
        // What went on waiting while the others ended.
        self.handle.interrupt_what_waits().await;
        if timeout(STOP_WITHIN, self.deps.agents.close()).await.is_err() {
            tracing::error!("waiting agents did not end in time");
        }
    }
}

/// Work whose panic is told by `failed`.
pub(crate) async fn watched(failed: CancellationToken, work: impl Future<Output = ()>) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        failed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_an_end_is_not() {
        let failed = CancellationToken::new();
        watched(failed.clone(), async {}).await;
        assert!(!failed.is_cancelled());
        watched(failed.clone(), async { std::panic::resume_unwind(Box::new("a test")) }).await;
        assert!(failed.is_cancelled());
    }
}

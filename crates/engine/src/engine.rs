//! Puts the parts together, and takes them apart at shutdown.

use std::sync::Arc;
use std::time::Duration;

use agent::Launcher;
use domain::Clock;
use store::Store;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dispatcher::Dispatcher;
use crate::handle::Handle;
use crate::run::Deps;
use crate::settings::Settings;

/// All agents are gone within a second or two of being told; more means that something hangs.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The running engine. Shut it down before the runtime ends, or agents are killed without a word in the log.
pub struct Engine {
    handle: Handle,
    dispatcher: JoinHandle<()>,
    runs: TaskTracker,
    stop_claiming: CancellationToken,
    stop_tasks: CancellationToken,
    settings: Settings,
}

impl Engine {
    /// Starts to hand tasks to agents.
    pub fn start(
        settings: Settings,
        store: Arc<dyn Store>,
        launcher: Arc<dyn Launcher>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let stop_claiming = CancellationToken::new();
        let stop_tasks = CancellationToken::new();
        let runs = TaskTracker::new();
        let deps = Arc::new(Deps {
            store: Arc::clone(&store),
            launcher,
            clock: Arc::clone(&clock),
            stop_tasks: stop_tasks.clone(),
        });
        let dispatcher = Dispatcher {
            deps,
            permits: Arc::new(Semaphore::new(settings.max_agents)),
            runs: runs.clone(),
            stop_claiming: stop_claiming.clone(),
        };
        let handle = Handle::new(settings, store, clock, stop_claiming.clone());
        let dispatcher = tokio::spawn(dispatcher.run());
        Self { handle, dispatcher, runs, stop_claiming, stop_tasks, settings }
    }

    /// What the outside works with.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Admits nothing more, lets running tasks go on for the drain time (or until `hurry` is cancelled), then
    /// interrupts them; returns when every agent is gone. Tasks that wait stay in a durable store and are
    /// interrupted in one that is not.
    pub async fn shut_down(self, hurry: CancellationToken) {
        self.stop_claiming.cancel();
        if let Err(error) = self.dispatcher.await {
            tracing::error!(%error, "the dispatcher failed");
        }
        self.runs.close();
        self.handle.interrupt_what_waits().await;
        if !self.settings.drain.is_zero() {
            let drained = timeout(self.settings.drain, self.runs.wait());
            if hurry.run_until_cancelled(drained).await.is_none_or(|drained| drained.is_err()) {
                tracing::info!("running tasks are interrupted");
            }
        }
        self.stop_tasks.cancel();
        if timeout(STOP_WITHIN, self.runs.wait()).await.is_err() {
            tracing::error!(tasks = self.runs.len(), "tasks did not end in time");
        }
    }
}

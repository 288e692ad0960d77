//! The agents that live: never more than there are permits, whatever they do. One that is not at work may be taken from
//! where it is for somebody who needs its place.

mod idle;
mod spares;

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::{Agent, AgentSpec, Events, LaunchError, Launched, Launcher, Opening, StopReceipt, Urgency};
use domain::{ConversationId, SessionId};
use futures_util::FutureExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::idle::{Idle, hand_over};
use self::spares::Spare;
use crate::settings::Settings;

/// An agent that does not run by then hangs.
const LAUNCH_WITHIN: Duration = Duration::from_secs(60);
/// Who wants a task stopped while its agent is being started waits so long for that.
const CUT_OFF_AFTER: Duration = Duration::from_secs(2);

/// An agent at work, and the permit that it lives by.
pub(crate) struct AtWork {
    pub(crate) agent: Box<dyn Agent>,
    pub(crate) events: Events,
    /// The conversation that it writes.
    pub(crate) conversation: ConversationId,
    /// Whether it has said that it is ready.
    pub(crate) is_ready: bool,
    spec: AgentSpec,
    born: Instant,
    tasks: u32,
    permit: OwnedSemaphorePermit,
}

/// The right to one agent.
pub(crate) enum Slot {
    /// A permit that nobody uses.
    Free(OwnedSemaphorePermit),
    /// The permit of an agent that waits; it is ended when the slot is used for another one.
    Occupied(Promise),
}

/// Why there is no agent.
pub(crate) enum Unobtained<T> {
    /// It could not be started.
    Launch(LaunchError),
    /// Somebody did not want to wait for it any longer, and why.
    CutOff(T),
}

impl<T> From<LaunchError> for Unobtained<T> {
    fn from(error: LaunchError) -> Self {
        Self::Launch(error)
    }
}

/// One waiting agent is spoken for.
pub(crate) struct Promise(Arc<Agents>);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.lock().promised -= 1;
        // Who kept the promise may not have needed the agent after all.
        self.0.changed.notify_waiters();
    }
}

#[derive(Default)]
struct State {
    /// Agents that wait for their session's next task, by session.
    idle: HashMap<SessionId, Idle>,
    /// Sessions whose agent is being ended: until it has, no other may write their conversation.
    leaving: HashSet<SessionId>,
    /// Counts up, to tell who has waited longest.
    waits: u64,
    /// Agents that wait for a new session.
    spares: Vec<Spare>,
    /// Agents that are getting ready to be spares.
    preparing: usize,
    /// No spare is started before.
    fill_at: Option<Instant>,
    /// Waiting agents whose places were promised.
    promised: usize,
    closed: bool,
}

/// All agents.
pub(crate) struct Agents {
    launcher: Arc<dyn Launcher>,
    settings: Arc<Settings>,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
    /// A waiting agent came or went.
    changed: Notify,
    /// For the one who starts spares.
    spare_taken: Notify,
    tracker: TaskTracker,
    /// Cancelled when no agent is to wait any more.
    closing: CancellationToken,
}

impl Agents {
    pub(crate) fn new(launcher: Arc<dyn Launcher>, settings: Arc<Settings>) -> Arc<Self> {
        Arc::new(Self {
            launcher,
            permits: Arc::new(Semaphore::new(settings.max_agents)),
            settings,
            state: Mutex::default(),
            changed: Notify::new(),
            spare_taken: Notify::new(),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// How many live, or are about to.
    pub(crate) fn alive(&self) -> usize {
        self.settings.max_agents.saturating_sub(self.permits.available_permits())
    }

    pub(crate) fn launcher(&self) -> &dyn Launcher {
        &*self.launcher
    }

    /// For work on agents that has to be finished before the server ends.
    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until an agent may be had. Cancel-safe.
    pub(crate) async fn slot(self: &Arc<Self>) -> Slot {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(slot) = self.try_slot() {
                return slot;
            }
            tokio::select! {
                biased;
                Ok(permit) = Arc::clone(&self.permits).acquire_owned() => return Slot::Free(permit),
                () = changed => {}
            }
        }
    }

    fn try_slot(self: &Arc<Self>) -> Option<Slot> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(Slot::Free(permit));
        }
        let mut state = self.lock();
        if state.idle.len() + state.spares.len() > state.promised {
            state.promised += 1;
            drop(state);
            return Some(Slot::Occupied(Promise(Arc::clone(self))));
        }
        None
    }

    /// An agent for a session: the one that waits for its next task, a spare for a new conversation, or one that is
    /// started. What was kept of the session and does not fit is ended first. While it only waits, `cut_off` ends that; an
    /// agent that is being ended is never let go of halfway, and one that is being started only when it hangs.
    pub(crate) async fn obtain<T>(
        self: &Arc<Self>,
        slot: Slot,
        session: &SessionId,
        spec: AgentSpec,
        cut_off: impl Future<Output = T>,
    ) -> Result<AtWork, Unobtained<T>> {
        tokio::pin!(cut_off);
        let idle = tokio::select! {
            biased;
            cause = &mut cut_off => return Err(Unobtained::CutOff(cause)),
            idle = self.take_idle(session) => idle,
        };
        if let Some(kept) = hand_over(idle).await {
            if kept.fits(&spec) {
                return Ok(kept);
            }
            self.end(kept, Urgency::Orderly).await;
        }
        if matches!(spec.opening, Opening::New(_))
            && let Some(spare) = self.take_spare(&spec)
        {
            match spare.bind(&spec).await {
                Ok(bound) => return Ok(bound),
                Err(error) => tracing::info!(%error, "a ready agent could not be used: starting another"),
            }
        }
        let permit = self.permit(slot, cut_off.as_mut()).await?;
        // The wait may have been for longer than whoever asked has the right to start an agent.
        if let Some(cause) = cut_off.as_mut().now_or_never() {
            return Err(Unobtained::CutOff(cause));
        }
        let Launched { agent, events, conversation } = self.launch(spec.clone(), cut_off).await?;
        let born = Instant::now();
        Ok(AtWork { agent, events, conversation, is_ready: false, spec, born, tasks: 0, permit })
    }

    /// Starts an agent. That takes milliseconds, and is not let go of, unless a file system hangs in which its folders are.
    async fn launch<T>(
        &self,
        spec: AgentSpec,
        cut_off: Pin<&mut impl Future<Output = T>>,
    ) -> Result<Launched, Unobtained<T>> {
        let patiently_cut_off = async {
            let cause = cut_off.await;
            sleep(CUT_OFF_AFTER).await;
            cause
        };
        tokio::select! {
            biased;
            launched = timeout(LAUNCH_WITHIN, self.launcher.launch(spec)) => {
                let hangs = || LaunchError::NotStarted(format!("it does not begin to run within {LAUNCH_WITHIN:?}"));
                Ok(launched.map_err(|_| hangs())??)
            }
            cause = patiently_cut_off => Err(Unobtained::CutOff(cause)),
        }
    }

    /// Turns a slot into a permit: where an agent waits in it, that one is ended.
    async fn permit<T>(
        self: &Arc<Self>,
        slot: Slot,
        mut cut_off: Pin<&mut impl Future<Output = T>>,
    ) -> Result<OwnedSemaphorePermit, Unobtained<T>> {
        match slot {
            Slot::Free(permit) => Ok(permit),
            Slot::Occupied(_promise) => loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(waiting) = self.take_longest_waiting().await {
                    return Ok(waiting.hibernate().await);
                }
                // Its session's next task took it, or it has ended by itself: whatever becomes free first is ours.
                tokio::select! {
                    biased;
                    cause = &mut cut_off => return Err(Unobtained::CutOff(cause)),
                    permit = Arc::clone(&self.permits).acquire_owned() => return permit.map_err(|_| {
                        LaunchError::NotStarted("the server is about to stop".to_owned()).into()
                    }),
                    () = changed => {}
                }
            },
        }
    }

    /// Ends an agent; its permit is free when this returns.
    pub(crate) async fn end(&self, at_work: AtWork, urgency: Urgency) -> StopReceipt {
        let AtWork { agent, mut events, permit, .. } = at_work;
        // Its output is read to the end: an agent whose output nobody takes may not end by itself.
        let drain = async { while !events.batch(DRAINED_AT_ONCE).await.is_empty() {} };
        let (receipt, ()) = futures_util::join!(agent.stop(urgency), drain);
        drop(agent);
        drop(permit);
        receipt
    }

    /// Ends all agents that wait, until there are none: those at work are ended by their tasks' workers.
    pub(crate) async fn end_all(self: &Arc<Self>) {
        let all = u32::try_from(self.settings.max_agents).unwrap_or(u32::MAX);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            while let Some(waiting) = self.take_longest_waiting().await {
                drop(waiting.hibernate().await);
            }
            tokio::select! {
                biased;
                // Closed means that the server stops.
                all_free = self.permits.acquire_many(all) => return drop(all_free),
                () = changed => {}
            }
        }
    }

    /// Ends all agents that wait, and takes none any more.
    pub(crate) async fn close(self: &Arc<Self>) {
        self.lock().closed = true;
        self.closing.cancel();
        while let Some(waiting) = self.take_longest_waiting().await {
            let agents = Arc::clone(self);
            self.tracker.spawn(async move {
                drop(waiting.hibernate().await);
                drop(agents);
            });
        }
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Most events that are thrown away at once.
const DRAINED_AT_ONCE: usize = 256;

impl AtWork {
    /// Whether it can take a task that would be started so.
    fn fits(&self, spec: &AgentSpec) -> bool {
        let conversation = match spec.opening {
            Opening::Resume(conversation) => conversation,
            Opening::New(_) | Opening::ResumeTurn(_) | Opening::Fork { .. } => return false,
        };
        // A budget is the process's own, so each task with one gets its own process.
        conversation == self.conversation
            && spec.max_budget_usd.is_none()
            && AgentSpec {
                opening: self.spec.opening,
                trace_parent: self.spec.trace_parent.clone(),
                ..spec.clone()
            } == self.spec
    }
}

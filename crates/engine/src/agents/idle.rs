//! Agents that wait for their session's next task.

use std::sync::Arc;
use std::time::Duration;

use agent::{AgentEvent, Events, Urgency};
use domain::SessionId;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::spares::Spare;
use super::{Agents, AtWork, DRAINED_AT_ONCE};

/// An agent that waits. Its output is taken meanwhile, and its end noticed.
pub(super) struct Idle {
    since: Instant,
    number: u64,
    /// Asks the one who looks after it to hand it over.
    give: oneshot::Sender<oneshot::Sender<AtWork>>,
}

/// An agent that waits, of either kind.
pub(super) enum Waiting {
    Idle(Box<AtWork>, Leaving),
    Spare(Spare),
}

/// A session's agent is being ended; over when this is dropped.
pub(super) struct Leaving {
    agents: Arc<Agents>,
    session: SessionId,
}

impl Leaving {
    /// Takes the agent that waits for a session's next task out, to be ended.
    fn take(agents: &Arc<Agents>, session: &SessionId) -> Option<(Idle, Self)> {
        let mut state = agents.lock();
        let idle = state.idle.remove(session)?;
        state.leaving.insert(session.clone());
        Some((idle, Self { agents: Arc::clone(agents), session: session.clone() }))
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.agents.lock().leaving.remove(&self.session);
        self.agents.changed.notify_waiters();
    }
}

impl Waiting {
    /// Ends it, its conversation kept; gives its permit.
    pub(super) async fn hibernate(self) -> OwnedSemaphorePermit {
        match self {
            Self::Spare(spare) => spare.end().await,
            Self::Idle(at_work, _leaving) => {
                let AtWork { agent, mut events, permit, .. } = *at_work;
                let drain = async { while !events.batch(DRAINED_AT_ONCE).await.is_empty() {} };
                futures_util::join!(agent.stop(Urgency::Orderly), drain);
                drop(agent);
                permit
            }
        }
    }
}

impl Agents {
    /// Keeps an agent for its session's next task, if it is worth it; else ends it.
    pub(crate) async fn keep(self: &Arc<Self>, session: &SessionId, mut at_work: AtWork) {
        at_work.tasks += 1;
        at_work.is_ready = true;
        if !self.is_worth_keeping(&at_work).await {
            self.end(at_work, Urgency::Orderly).await;
            return;
        }
        let (give, wanted) = oneshot::channel();
        let Some(number) = self.enter_idle(session, give) else {
            self.end(at_work, Urgency::Orderly).await;
            return;
        };
        self.tracker.spawn(look_after(Arc::clone(self), session.clone(), number, at_work, wanted));
        self.changed.notify_waiters();
    }

    /// Gives the number of the one that waits; `None` when none is to wait any more.
    fn enter_idle(&self, session: &SessionId, give: oneshot::Sender<oneshot::Sender<AtWork>>) -> Option<u64> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.waits += 1;
        let number = state.waits;
        state.idle.insert(session.clone(), Idle { since: Instant::now(), number, give });
        Some(number)
    }

    /// The agent with this number ended while it waited: nobody is to get it any more.
    fn leave_idle(self: &Arc<Self>, session: &SessionId, number: u64) -> Option<Leaving> {
        let is_it = self.lock().idle.get(session).is_some_and(|idle| idle.number == number);
        is_it.then(|| Leaving::take(self, session).map(|(_, leaving)| leaving)).flatten()
    }

    async fn is_worth_keeping(&self, at_work: &AtWork) -> bool {
        let recycling = self.settings.recycling;
        if self.settings.idle_timeout.is_zero()
            || at_work.spec.max_budget_usd.is_some()
            || at_work.tasks >= recycling.max_tasks
            || at_work.born.elapsed() >= recycling.max_age
        {
            return false;
        }
        // An agent of which nothing can be known has ended, as a rule.
        at_work.agent.vitals().await.is_ok_and(|vitals| vitals.memory_bytes <= recycling.max_memory_bytes)
    }

    /// The agent that waits for a session's next task, once none of the session is being ended any more. Both under one lock:
    /// in between it might be taken to be ended, and a second one be started beside it.
    pub(super) async fn take_idle(&self, session: &SessionId) -> Option<Idle> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if !state.leaving.contains(session) {
                    return state.idle.remove(session);
                }
            }
            changed.await;
        }
    }

    /// The agent that has waited longest for its session's next task, else a spare; to be ended.
    pub(super) async fn take_longest_waiting(self: &Arc<Self>) -> Option<Waiting> {
        loop {
            let longest = {
                let state = self.lock();
                state.idle.iter().min_by_key(|(_, idle)| idle.number).map(|(session, _)| session.clone())
            };
            let Some(session) = longest else { return self.lock().spares.pop().map(Waiting::Spare) };
            if let Some((idle, leaving)) = Leaving::take(self, &session)
                && let Some(at_work) = hand_over(Some(idle)).await
            {
                return Some(Waiting::Idle(Box::new(at_work), leaving));
            }
        }
    }

    /// Ends the agent that waits for a session's next task, if there is one.
    pub(crate) async fn hibernate(self: &Arc<Self>, session: &SessionId) {
        if let Some((idle, _leaving)) = Leaving::take(self, session)
            && let Some(at_work) = hand_over(Some(idle)).await
        {
            self.end(at_work, Urgency::Orderly).await;
        }
    }

    /// Ends the agents that have waited for too long.
    pub(crate) async fn hibernate_idle(self: &Arc<Self>, timeout: Duration) {
        let is_old = |idle: &Idle| idle.since.elapsed() >= timeout;
        let old: Vec<_> = {
            let state = self.lock();
            let old = state.idle.iter().filter(|(_, idle)| is_old(idle));
            old.map(|(session, _)| session.clone()).collect()
        };
        for session in old {
            self.hibernate(&session).await;
        }
    }
}

/// Gives the agent, unless it has ended meanwhile.
pub(super) async fn hand_over(idle: Option<Idle>) -> Option<AtWork> {
    let (sender, receiver) = oneshot::channel();
    idle?.give.send(sender).ok()?;
    // It may have ended in this moment.
    receiver.await.ok()
}

/// Takes an agent's output until somebody wants the agent, or it ends.
async fn look_after(
    agents: Arc<Agents>,
    session: SessionId,
    number: u64,
    mut at_work: AtWork,
    mut wanted: oneshot::Receiver<oneshot::Sender<AtWork>>,
) {
    loop {
        tokio::select! {
            biased;
            taker = &mut wanted => {
                if let Ok(taker) = taker {
                    // Who wanted it and has left ends it by that.
                    drop(taker.send(at_work));
                }
                return;
            }
            ended = has_ended(&mut at_work.events) => if ended { break },
        }
    }
    tracing::info!(session_id = %session, "an agent ended while it waited");
    let leaving = agents.leave_idle(&session, number);
    agents.end(at_work, Urgency::Now).await;
    drop(leaving);
    agents.changed.notify_waiters();
}

async fn has_ended(events: &mut Events) -> bool {
    let batch = events.batch(DRAINED_AT_ONCE).await;
    batch.is_empty() || batch.iter().any(|event| matches!(event, AgentEvent::Exited(_)))
}

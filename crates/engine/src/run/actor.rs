//! Runs one task: feeds the machine, and does what it decides. The only writer of the task and its session.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, AgentSpec, Events, Launched, Launcher, Opening, StopReceipt, Urgency};
use domain::{Clock, ConversationId, Ending, Outcome, Progress};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use store::{Claimed, CommitError, Release, Signal, Store};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::log::EventLog;
use super::machine::{Effect, Input, Machine, Timer};

/// What every run needs.
pub(crate) struct Deps {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Cancelled when running tasks have to end.
    pub(crate) stop_tasks: CancellationToken,
}

/// Most events that one commit takes.
const BATCH: usize = 256;
/// The CLI answers an interrupt within 25 ms. A caller is promised a second.
const INTERRUPT_GRACE: Duration = Duration::from_millis(450);
/// The CLI begins a follow-up turn within 0.1 s.
const FOLLOW_UP_GRACE: Duration = Duration::from_secs(3);
/// The CLI says that it is idle 1 to 5 ms after its result.
const RESULT_GRACE: Duration = Duration::from_secs(3);
/// As long as the CLI itself waits for background tasks when its input ends.
const BACKGROUND_GRACE: Duration = Duration::from_secs(600);
/// The output of an agent that is gone is read for at most 0.5 s.
const LAST_WORDS_GRACE: Duration = Duration::from_secs(1);

/// Runs a claimed task to its end, ends its agent and gives its session back. Never panics.
pub(crate) async fn run(deps: Arc<Deps>, claimed: Claimed) {
    let new = ConversationId::generate();
    let mut conversation = None;
    if let Err(error) = attempt(&deps, &claimed, new, &mut conversation).await {
        tracing::error!(task_id = %claimed.task.spec.task_id, %error, "the task's worker failed");
        abandon(&deps, &claimed, &error).await;
    }
    let release = Release {
        session_id: claimed.task.session_id.clone(),
        token: claimed.token,
        conversation,
        now: deps.clock.now(),
    };
    if let Err(error) = deps.store.release(release).await {
        tracing::error!(session_id = %claimed.task.session_id, %error, "the session could not be given back");
    }
}

/// A worker that could not do its work.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("the task could not be written: {0}")]
    Commit(#[from] CommitError),
    #[error("it panicked")]
    Panicked,
}

/// A panic as an error: what was begun can still be ended in order.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, WorkerError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| WorkerError::Panicked)
}

/// Runs the task in the session's conversation, else in a `new` one. When it returns, no process of the agent is left,
/// and `resumable` says what the session's next task can resume, whether the worker failed or not.
async fn attempt(
    deps: &Arc<Deps>,
    claimed: &Claimed,
    new: ConversationId,
    resumable: &mut Option<ConversationId>,
) -> Result<(), WorkerError> {
    let spec = &claimed.task.spec;
    let Some(signal) = deps.store.watch(&spec.task_id).await.map_err(CommitError::from)? else {
        return Err(CommitError::Unknown.into());
    };
    let mut run = Run::new(Arc::clone(deps), claimed, signal);
    let launch = deps.launcher.launch(AgentSpec {
        opening: match claimed.conversation {
            Some(id) => Opening::Resume(id),
            None => Opening::New(new),
        },
        principal: spec.principal.clone(),
        working_directory: spec.working_directory.clone(),
        allowed_tools: spec.options.allowed_tools.clone(),
        permission_mode: spec.options.permission_mode,
        max_turns: spec.options.max_turns,
        max_budget_usd: spec.options.max_budget_usd,
        model: spec.options.model.clone(),
    });
    match guarded(launch).await? {
        Ok(Launched { agent, events, .. }) => {
            let driven = guarded(run.drive(&*agent, events)).await;
            if driven.is_err() {
                run.report(agent.stop(Urgency::Now).await);
            }
            // A transcript that got lost is for the next task to report, not a reason to begin anew.
            if run.machine.has_answered() || agent.has_conversation().await {
                *resumable = Some(claimed.conversation.unwrap_or(new));
            }
            driven??;
        }
        Err(error) => {
            let effects = run.step(Input::LaunchFailed(error));
            run.settle(effects, None).await?;
        }
    }
    Ok(())
}

/// Ends a task whose worker failed, so that nobody waits for it for ever.
async fn abandon(deps: &Deps, claimed: &Claimed, error: &WorkerError) {
    let task_id = &claimed.task.spec.task_id;
    let Ok(Some(task)) = deps.store.task(task_id).await else { return };
    if task.status.is_terminal() {
        return;
    }
    let mut log = EventLog::new(Arc::clone(&deps.store), Arc::clone(&deps.clock), &task, Some(claimed.token));
    let reason = match error {
        WorkerError::Commit(error @ CommitError::LogFull { .. }) => error.to_string(),
        _ => "the server failed to run the task; its log says why".to_owned(),
    };
    let outcome =
        Outcome { ending: Ending::Failed, summary: String::new(), errors: vec![reason], total_cost_usd: 0.0 };
    if let Err(error) = log.finish(outcome, task.progress).await {
        tracing::error!(%task_id, %error, "the task could not be ended");
    }
}

/// How far the end of the agent is.
enum Stop<'a> {
    NotAsked,
    UnderWay(BoxFuture<'a, StopReceipt>),
    Done(StopReceipt),
}

struct Run {
    deps: Arc<Deps>,
    machine: Machine,
    log: EventLog,
    prompt: Uuid,
    text: String,
    started: Instant,
    timers: HashMap<Timer, Instant>,
    signal: watch::Receiver<Signal>,
    interrupt_seen: bool,
    shutdown_seen: bool,
}

impl Run {
    fn new(deps: Arc<Deps>, claimed: &Claimed, mut signal: watch::Receiver<Signal>) -> Self {
        // An interrupt may have been recorded since the claim.
        signal.mark_changed();
        let options = &claimed.task.spec.options;
        let prompt = Uuid::new_v4();
        let started = Instant::now();
        let (store, clock) = (Arc::clone(&deps.store), Arc::clone(&deps.clock));
        Self {
            machine: Machine::new(prompt, options.timeout.as_secs()),
            log: EventLog::new(store, clock, &claimed.task, Some(claimed.token)),
            prompt,
            text: claimed.task.spec.prompt.clone(),
            started,
            timers: HashMap::from([(Timer::Task, started + options.timeout)]),
            signal,
            interrupt_seen: false,
            shutdown_seen: false,
            deps,
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let elapsed = self.elapsed_ms();
        self.machine.step(input, elapsed)
    }

    fn progress(&self) -> Progress {
        self.machine.progress(self.elapsed_ms())
    }

    /// Drives the agent until the task has ended, then ends the agent.
    async fn drive(&mut self, agent: &dyn Agent, mut events: Events) -> Result<(), CommitError> {
        let mut stop = Stop::NotAsked;
        let result = loop {
            if self.machine.is_finished() {
                break Ok(());
            }
            let inputs = self.next_inputs(&mut events, &mut stop).await;
            let mut effects = Vec::new();
            for input in inputs {
                effects.extend(self.step(input));
            }
            match self.settle(effects, Some(agent)).await {
                Ok(None) => {}
                Ok(Some(urgency)) => stop = Stop::UnderWay(agent.stop(urgency)),
                Err(error) => break Err(error),
            }
        };
        let urgency = self.machine.farewell();
        let stop = async {
            match stop {
                Stop::NotAsked => agent.stop(urgency).await,
                Stop::UnderWay(stop) => stop.await,
                Stop::Done(receipt) => receipt,
            }
        };
        // Its output is read to the end: an agent whose output nobody takes may not end by itself.
        let (receipt, ()) =
            futures_util::join!(stop, async { while !events.batch(BATCH).await.is_empty() {} });
        self.report(receipt);
        result
    }

    fn report(&self, receipt: StopReceipt) {
        let StopReceipt { took, processes_killed, processes_left, .. } = receipt;
        let (task_id, duration_ms) = (self.log.task_id(), took.as_millis());
        if processes_left > 0 {
            tracing::error!(%task_id, duration_ms, processes_left, "processes of the agent could not be ended");
        } else {
            tracing::debug!(%task_id, duration_ms, processes_killed, "agent ended");
        }
    }

    /// Waits for what comes first, and takes all output that has gathered with it.
    async fn next_inputs(&mut self, events: &mut Events, stop: &mut Stop<'_>) -> Vec<Input> {
        let due = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
        let deps = Arc::clone(&self.deps);
        tokio::select! {
            biased;
            changed = self.signal.changed(), if !self.interrupt_seen => {
                // A store that no longer tells of the task has dropped it: the next commit says so.
                self.interrupt_seen = changed.is_err() || self.signal.borrow_and_update().interrupt_requested;
                if self.interrupt_seen { vec![Input::InterruptRequested] } else { Vec::new() }
            }
            () = deps.stop_tasks.cancelled(), if !self.shutdown_seen => {
                self.shutdown_seen = true;
                vec![Input::ShutdownRequested]
            }
            () = wait(due.map(|(_, at)| at)) => {
                let timer = due.map(|(timer, _)| timer);
                timer.iter().for_each(|timer| { self.timers.remove(timer); });
                timer.map(Input::Elapsed).into_iter().collect()
            }
            () = finish(stop) => vec![Input::Stopped],
            batch = events.batch(BATCH), if !events.is_ended() => {
                if batch.is_empty() {
                    return vec![Input::AgentLost];
                }
                batch.into_iter().map(Input::Agent).collect()
            }
        }
    }

    /// Commits the events first, then does the rest. Gives the urgency if the agent has to be stopped.
    async fn settle(
        &mut self,
        effects: Vec<Effect>,
        agent: Option<&dyn Agent>,
    ) -> Result<Option<Urgency>, CommitError> {
        let mut stop = None;
        let mut commands = Vec::new();
        for effect in effects {
            match effect {
                Effect::Emit(body) => self.log.gather(&body),
                Effect::Finish(outcome) => {
                    let progress = self.progress();
                    self.log.finish(outcome, progress).await?;
                }
                Effect::Stop(urgency) => stop = Some(urgency),
                Effect::Arm(timer) => {
                    self.timers.insert(timer, Instant::now() + grace(timer));
                }
                command @ (Effect::Prompt | Effect::Interrupt) => commands.push(command),
            }
        }
        let progress = self.progress();
        self.log.commit(progress).await?;
        for command in commands {
            let Some(agent) = agent else { continue };
            let sent = match command {
                Effect::Prompt => agent.prompt(self.prompt, &self.text).await,
                _ => agent.interrupt().await,
            };
            if sent.is_err() {
                for effect in self.step(Input::AgentLost) {
                    if let Effect::Stop(urgency) = effect {
                        stop = Some(urgency);
                    }
                }
            }
        }
        Ok(stop)
    }
}

fn grace(timer: Timer) -> Duration {
    match timer {
        Timer::Task => Duration::ZERO,
        Timer::Interrupt => INTERRUPT_GRACE,
        Timer::FollowUp => FOLLOW_UP_GRACE,
        Timer::Background => BACKGROUND_GRACE,
        Timer::Result => RESULT_GRACE,
        Timer::LastWords => LAST_WORDS_GRACE,
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits for the end of a stop that is under way, once.
async fn finish(stop: &mut Stop<'_>) {
    match stop {
        Stop::UnderWay(future) => {
            let receipt = future.await;
            *stop = Stop::Done(receipt);
        }
        Stop::NotAsked | Stop::Done(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use agent::{LaunchError, event_channel};
    use async_trait::async_trait;
    use domain::SystemClock;
    use store::MemoryStore;

    use super::*;

    struct NoAgents;

    #[async_trait]
    impl Launcher for NoAgents {
        async fn launch(&self, _: AgentSpec) -> Result<Launched, LaunchError> {
            Err(LaunchError::NotStarted("no agents here".into()))
        }

        async fn has_prompt(&self, _: &domain::Principal, _: ConversationId, _: Uuid) -> bool {
            false
        }

        async fn has_conversation(&self, _: &domain::Principal, _: ConversationId) -> bool {
            false
        }

        async fn forget(&self, _: &domain::Principal, _: ConversationId) {}
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupt_that_was_recorded_before_the_worker_looked_is_seen() {
        let store = Arc::new(MemoryStore::default());
        let claimed = store::conformance::submit_and_claim(&*store, "t").await;
        let task = claimed.task.spec.task_id.clone();
        store.request_interrupt(&task, SystemClock.now()).await.expect("recorded");
        let signal = store.watch(&task).await.expect("available").expect("there");
        let deps = Deps {
            store,
            launcher: Arc::new(NoAgents),
            clock: Arc::new(SystemClock),
            stop_tasks: CancellationToken::new(),
        };
        let mut run = Run::new(Arc::new(deps), &claimed, signal);
        let (_agent, mut events) = event_channel();
        let inputs = run.next_inputs(&mut events, &mut Stop::NotAsked).await;
        assert!(matches!(inputs.as_slice(), [Input::InterruptRequested]), "{inputs:?}");
    }
}

//! Feeds the machine with what happens, and does what it decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, AgentEvent, Asked, Events, StopReceipt};
use domain::{Ending, Progress, Question, QuestionId, Timestamp};
use futures_util::future::BoxFuture;
use store::{Claimed, CommitError, Signal, TaskRecord, WaitReason, Waiting};
use telemetry::AttemptTrace;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::actor::Deps;
use super::log::EventLog;
use super::machine::{Again, Effect, Input, Machine, Timer};
use super::messages::{Inbox, Incoming, NoTurn};
use super::plan::{PARKED_AT_MOST, Plan};
use super::survey::Survey;
use super::traced::{see, why};
use super::wire;
use crate::agents::AtWork;

/// Most events that one commit takes.
const BATCH: usize = 256;
/// The CLI answers an interrupt within 25 ms. A caller is promised a second.
const INTERRUPT_GRACE: Duration = Duration::from_millis(450);
/// The CLI begins a follow-up turn within 0.1 s.
const FOLLOW_UP_GRACE: Duration = Duration::from_secs(3);
/// The CLI says that it is idle 1 to 5 ms after its result.
const RESULT_GRACE: Duration = Duration::from_secs(3);
/// The output of an agent that is gone is read for at most 0.5 s.
const LAST_WORDS_GRACE: Duration = Duration::from_secs(1);
/// How long the end of a task may wait for the count of files that its commands changed.
const COUNT_WITHIN: Duration = Duration::from_secs(2);
const COUNT_STOPPED_WITHIN: Duration = Duration::from_millis(100);
/// How often in the time after which silence counts is looked.
const LOOKS: u32 = 4;
/// A rate limit that names no time: first this long, then twice as long, and so on, at most a quarter of an hour.
const PARK_FIRST: Duration = Duration::from_secs(60);
const PARK_LONGEST: Duration = Duration::from_secs(900);
/// A failed attempt is followed by the next after this, then after four times as long, at most five minutes.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(300);

/// How far the end of the agent is.
enum Stop<'a> {
    NotAsked,
    UnderWay(BoxFuture<'a, StopReceipt>),
    Done(StopReceipt),
}

/// What has to be done with the agent after a step.
#[derive(Default)]
struct Orders {
    commands: Vec<Effect>,
    stop: Option<agent::Urgency>,
}

pub(super) struct Drive {
    deps: Arc<Deps>,
    pub(super) machine: Machine,
    pub(super) log: EventLog,
    /// Where the attempt is traced.
    pub(super) trace: Option<AttemptTrace>,
    /// How the workspace was before.
    pub(super) survey: Option<Survey>,
    started: Instant,
    before_ms: u64,
    timers: HashMap<Timer, Instant>,
    background: Duration,
    answer_within: Duration,
    attempt: u32,
    failures: u32,
    /// Attempts that ended with a question.
    answers: u32,
    signal: watch::Receiver<Signal>,
    interrupt_seen: bool,
    shutdown_seen: bool,
    inbox: Inbox,
    /// Who is to be told that a message was taken.
    takers: Vec<(Uuid, oneshot::Sender<Result<Uuid, NoTurn>>)>,
}

impl Drive {
    pub(super) fn new(
        deps: Arc<Deps>,
        claimed: &Claimed,
        plan: Plan,
        mut signal: watch::Receiver<Signal>,
    ) -> Self {
        // An interrupt may have been recorded since the claim.
        signal.mark_changed();
        let task = &claimed.task;
        let started = Instant::now();
        let before_ms = task.progress.elapsed_ms;
        let left = task.spec.options.timeout.saturating_sub(Duration::from_millis(before_ms));
        Self {
            machine: Machine::new(plan),
            log: EventLog::new(&deps, task, Some(claimed.token)).patient(),
            trace: None,
            survey: None,
            started,
            before_ms,
            timers: HashMap::from([(Timer::Task, started + left)]),
            background: task.spec.policy.background,
            answer_within: task.spec.policy.answer_within,
            attempt: task.attempt,
            failures: task.failures,
            answers: questions_of(task),
            signal,
            interrupt_seen: false,
            shutdown_seen: false,
            inbox: Inbox::open(&deps, &task.spec.task_id),
            takers: Vec::new(),
            deps,
        }
    }

    fn elapsed_ms(&self) -> u64 {
        self.before_ms + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What follows from the inputs, in order.
    fn step(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<Effect> {
        let (elapsed, mut effects) = (self.elapsed_ms(), Vec::new());
        for input in inputs {
            if let Some(trace) = &mut self.trace {
                see(trace, &input);
            }
            self.machine.step(input, elapsed, &mut effects);
        }
        effects
    }

    fn progress(&self) -> Progress {
        self.machine.progress(self.elapsed_ms())
    }

    /// Drives the agent until the attempt is over. Gives the receipt of an agent that was stopped meanwhile: it has ended.
    pub(super) async fn run(&mut self, at_work: &mut AtWork) -> Result<Option<StopReceipt>, CommitError> {
        let AtWork { agent, events, is_ready, .. } = at_work;
        let agent = &**agent;
        let mut stop = Stop::NotAsked;
        let mut inputs = if *is_ready { vec![Input::Agent(AgentEvent::Ready)] } else { Vec::new() };
        loop {
            let heard = Instant::now();
            let effects = self.step(inputs);
            let has_news = effects.iter().any(|effect| matches!(effect, Effect::Emit(_)));
            let orders = self.settle(effects).await?;
            if has_news {
                self.deps.metrics.heard(heard.elapsed());
            }
            if let Some(urgency) = self.command(orders, agent, events).await? {
                stop = Stop::UnderWay(agent.stop(urgency));
            }
            self.takers.drain(..).for_each(|(id, taken)| tell(taken, Ok(id)));
            if self.machine.farewell().is_some() {
                break;
            }
            inputs = self.next_inputs(events, &mut stop).await;
        }
        Ok(match stop {
            Stop::NotAsked => None,
            Stop::Done(receipt) => Some(receipt),
            Stop::UnderWay(stop) => {
                // Its output is read to the end: an agent whose output nobody takes may not end by itself.
                let drain = async { while !events.batch(BATCH).await.is_empty() {} };
                Some(futures_util::join!(stop, drain).0)
            }
        })
    }

    /// Takes what is the case when there is no agent, and writes what follows from it.
    pub(super) async fn settle_without_agent(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Result<(), CommitError> {
        let effects = self.step(inputs);
        self.settle(effects).await.map(drop)
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
            () = wait_until(due.map(|(_, at)| at)) => {
                let timer = due.map(|(timer, _)| timer);
                timer.iter().for_each(|timer| { self.timers.remove(timer); });
                timer.map(Input::Elapsed).into_iter().collect()
            }
            () = finish(stop) => vec![Input::Stopped],
            incoming = self.inbox.next() => self.take_message(incoming),
            batch = events.batch(BATCH), if !events.is_ended() => {
                if batch.is_empty() {
                    return vec![Input::AgentLost];
                }
                batch.into_iter().map(Input::Agent).collect()
            }
        }
    }

    /// A message is told to be taken once it is in the log and the agent has it.
    fn take_message(&mut self, incoming: Incoming) -> Vec<Input> {
        let Incoming { id, text, taken } = incoming;
        if self.machine.knows_prompt(id) {
            // Whoever said it got no answer, and says it again.
            tell(taken, Ok(id));
            return Vec::new();
        }
        if !self.machine.takes_messages() {
            tell(taken, Err(NoTurn));
            return Vec::new();
        }
        self.takers.push((id, taken));
        vec![Input::Message { id, text }]
    }

    /// Commits the events; gives what is to be done after that.
    async fn settle(&mut self, effects: Vec<Effect>) -> Result<Orders, CommitError> {
        let mut orders = Orders::default();
        for effect in effects {
            match effect {
                Effect::Emit(body) => self.log.gather(&body),
                Effect::Finish(outcome) => {
                    self.count_changes(outcome.ending == Ending::Completed).await;
                    let progress = self.progress();
                    self.trace_end(outcome.ending.status().as_str());
                    self.log.finish(outcome, progress).await?;
                }
                Effect::PutBack(again) => {
                    self.trace_end(why(again.reason));
                    self.count_changes(false).await;
                    self.put_back(&again).await?;
                }
                Effect::Stop(urgency) => orders.stop = Some(urgency),
                Effect::Arm(timer) => {
                    self.timers.insert(timer, Instant::now() + self.grace(timer));
                }
                command @ (Effect::Prompt { .. } | Effect::Interrupt | Effect::Look) => {
                    orders.commands.push(command);
                }
            }
        }
        if self.machine.farewell().is_none() {
            let (progress, cost) = (self.progress(), self.machine.cost_usd());
            self.log.commit(progress, cost).await?;
        }
        Ok(orders)
    }

    /// Counts what commands have changed. Who stops a task does not wait long for that.
    async fn count_changes(&mut self, is_complete: bool) {
        if self.machine.may_have_changed_more()
            && let Some(survey) = self.survey.take()
        {
            let within = if is_complete { COUNT_WITHIN } else { COUNT_STOPPED_WITHIN };
            self.machine.found_changed(survey.changes(within).await);
        }
    }

    fn trace_end(&mut self, status: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.came_to(status);
        }
    }

    async fn put_back(&mut self, again: &Again) -> Result<(), CommitError> {
        let until = self.resume_at(again);
        let waiting = Waiting { reason: again.reason, until };
        let progress = self.progress();
        let question = again.asked.as_deref().map(|asked| {
            let now = self.deps.clock.now();
            let question = Question { background: again.background, ..question(asked, now, progress.turns) };
            self.log.gather(&wire::question(&question, &asked.input, until));
            question
        });
        let cost = self.machine.cost_usd();
        self.log.put_back(waiting, again.failed, question, progress, cost).await
    }

    fn resume_at(&self, again: &Again) -> Timestamp {
        let now = self.deps.clock.now();
        if let Some(until) = again.until {
            return until.clamp(now, now.after(PARKED_AT_MOST));
        }
        let wait = match again.reason {
            WaitReason::RateLimit => {
                let others = self.failures + self.answers + 1;
                let earlier = self.attempt.saturating_sub(others).min(16);
                (PARK_FIRST * 2_u32.pow(earlier)).min(PARK_LONGEST)
            }
            WaitReason::Retry => (RETRY_FIRST * 4_u32.pow(self.failures.min(8))).min(RETRY_LONGEST),
            // A server that stops or an agent that hung has nothing to wait for; one that fails at once has.
            WaitReason::CutOff if again.failed => {
                (RETRY_FIRST * 4_u32.pow(self.failures.min(8))).min(RETRY_LONGEST)
            }
            WaitReason::CutOff => Duration::ZERO,
            WaitReason::Answer => self.answer_within,
        };
        now.after(wait)
    }

    /// Does what is to be done with the agent. Gives the urgency if it has to be stopped.
    async fn command(
        &mut self,
        orders: Orders,
        agent: &dyn Agent,
        events: &mut Events,
    ) -> Result<Option<agent::Urgency>, CommitError> {
        let mut stop = orders.stop;
        for command in orders.commands {
            let input = match command {
                Effect::Prompt { id, text } => {
                    agent.prompt(id, &text).await.is_err().then_some(Input::AgentLost)
                }
                Effect::Interrupt => agent.interrupt().await.is_err().then_some(Input::AgentLost),
                _ => Some(look(agent).await),
            };
            let Some(input) = input.filter(|_| !events.is_ended()) else { continue };
            let effects = self.step([input]);
            let more = self.settle(effects).await?;
            stop = more.stop.or(stop);
            if more.commands.iter().any(|command| matches!(command, Effect::Interrupt))
                && agent.interrupt().await.is_err()
            {
                stop = Some(agent::Urgency::Now);
            }
        }
        Ok(stop)
    }

    fn grace(&self, timer: Timer) -> Duration {
        match timer {
            Timer::Task => Duration::ZERO,
            Timer::Interrupt => INTERRUPT_GRACE,
            Timer::FollowUp => FOLLOW_UP_GRACE,
            Timer::Background => self.background,
            Timer::Result => RESULT_GRACE,
            Timer::LastWords => LAST_WORDS_GRACE,
            Timer::Watch => self.deps.settings.stall_after / LOOKS,
        }
    }
}

/// Attempts that a task needed because it asked.
pub(crate) fn questions_of(task: &TaskRecord) -> u32 {
    u32::try_from(task.questions.answered.len()).unwrap_or(u32::MAX)
}

/// An input that is larger is to be found in the log only.
const MOST_INPUT_KEPT: usize = 64 * 1024;

fn question(asked: &Asked, now: Timestamp, turns: u64) -> Question {
    let input = asked.input.get();
    Question {
        id: QuestionId::generate(),
        tool_use_id: asked.tool_use_id.clone(),
        tool: asked.tool.clone(),
        digest: asked.digest,
        input: (input.len() <= MOST_INPUT_KEPT).then(|| input.to_owned()),
        description: asked.description.clone(),
        reason: asked.reason.clone(),
        asked_at: now,
        turns,
        background: 0,
    }
}

/// Who sent a message may have gone away meanwhile.
fn tell(taken: oneshot::Sender<Result<Uuid, NoTurn>>, answer: Result<Uuid, NoTurn>) {
    if taken.send(answer).is_err() {
        tracing::debug!("nobody waits any more to hear what became of a message");
    }
}

async fn look(agent: &dyn Agent) -> Input {
    let silent_ms = u64::try_from(agent.silent_for().as_millis()).unwrap_or(u64::MAX);
    Input::Looked { silent_ms, vitals: agent.vitals().await.ok() }
}

/// Waits for a moment, if there is one; else for ever.
pub(crate) async fn wait_until(until: Option<Instant>) {
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

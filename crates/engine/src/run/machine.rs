//! What happens to a task, as a pure function: `step(input)` gives effects. No clock, no IO, no waiting.

mod again;
mod ending;
mod terms;
mod told;
mod watch;

use std::collections::HashSet;

use agent::{AgentEvent, Exit, LaunchError, Said, TurnEnd, TurnEnding, Urgency};
use api::EventBody;
use domain::{Progress, Timestamp};
use uuid::Uuid;

use super::bookkeeping::Bookkeeping;
use super::plan::{Plan, Start};
use super::survey::FileId;
use super::wire;
use ending::{exit_failure, launch_failure};
pub(super) use terms::{Again, Effect, Input, Timer};
use watch::Watch;

/// Why a task is being stopped.
#[derive(Debug, Clone)]
enum Cause {
    Interrupt(&'static str),
    TimedOut,
    /// It can no longer be reached; how its process ends will tell why.
    AgentLost,
    Failed(Failure),
    /// It goes on later, in another process.
    Suspend(Again),
}

/// What went wrong.
#[derive(Debug, Clone)]
struct Failure {
    code: &'static str,
    reason: String,
    retryable: bool,
}

impl Failure {
    fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), retryable: false }
    }

    fn retryable(code: &'static str, reason: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(code, reason) }
    }
}

#[derive(Debug)]
enum Phase {
    /// The agent gets ready.
    Starting,
    /// It works on the prompt.
    Working,
    /// The turn is over, its background tasks are not.
    Lingering { ending: TurnEnding, follow_up: bool },
    /// It was asked to end its turn.
    Interrupting(Cause),
    /// It is being ended.
    Stopping(Cause),
    /// The task has ended, or waits for another attempt.
    Over(Farewell),
}

/// What becomes of the agent once its task is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It can take the session's next prompt.
    Keep,
    /// It has to end.
    Stop(Urgency),
}

/// One attempt at a task.
#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    plan: Plan,
    books: Bookkeeping,
    watch: Watch,
    background: usize,
    /// Whether the agent has worked and now waits for a prompt.
    idle: bool,
    /// Whether the agent runs a turn that was cut off again by itself.
    resumed: bool,
    /// When the model API takes requests again.
    limited_until: Option<Timestamp>,
    /// What people said and the agent has not answered yet.
    unanswered: HashSet<Uuid>,
    /// How the turn ended that did not answer all of that.
    before: Option<TurnEnding>,
    effects: Vec<Effect>,
}

impl Machine {
    /// An attempt whose agent is being started.
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            phase: Phase::Starting,
            books: Bookkeeping::new(plan.progress, plan.cost_usd),
            watch: Watch::default(),
            plan,
            background: 0,
            idle: false,
            resumed: false,
            limited_until: None,
            unanswered: HashSet::new(),
            before: None,
            effects: Vec::new(),
        }
    }

    /// The counters.
    pub(super) fn progress(&self, elapsed_ms: u64) -> Progress {
        self.books.progress(elapsed_ms)
    }

    /// Whether files may have changed that no tool has told of.
    pub(super) fn may_have_changed_more(&self) -> bool {
        self.books.may_have_changed_more
    }

    /// Takes in which files were found to have changed.
    pub(super) fn found_changed(&mut self, files: Vec<FileId>) {
        self.books.found_changed(files);
    }

    /// What the task has cost so far, in US dollars.
    pub(super) fn cost_usd(&self) -> f64 {
        self.books.cost_usd
    }

    /// Whether the model has answered.
    pub(super) fn has_answered(&self) -> bool {
        self.books.has_answered
    }

    /// What becomes of the agent; `None` while the attempt goes on.
    pub(super) fn farewell(&self) -> Option<Farewell> {
        match self.phase {
            Phase::Over(farewell) => Some(farewell),
            _ => None,
        }
    }

    /// Takes in what happened; `elapsed_ms` is the task's age. Adds what has to be done, in order.
    pub(super) fn step(&mut self, input: Input, elapsed_ms: u64, effects: &mut Vec<Effect>) {
        if self.farewell().is_none() {
            self.take(input, elapsed_ms);
        }
        effects.append(&mut self.effects);
    }

    fn take(&mut self, input: Input, elapsed_ms: u64) {
        match input {
            Input::Agent(event) => self.agent(event, elapsed_ms),
            Input::LaunchFailed(error) => self.finish(Cause::Failed(launch_failure(&error))),
            Input::AgentLost => {
                let cause = match &self.phase {
                    Phase::Interrupting(cause) => cause.clone(),
                    _ => Cause::AgentLost,
                };
                self.stop(cause);
            }
            Input::Message { id, text } => self.told(id, text),
            Input::InterruptRequested => self.interrupt(Cause::Interrupt("interrupted by request")),
            Input::ShutdownRequested => self.shut_down(),
            Input::Elapsed(timer) => self.elapsed(timer),
            Input::Looked { silent_ms, vitals } => self.looked(silent_ms, vitals),
            Input::Stopped => self.effects.push(Effect::Arm(Timer::LastWords)),
        }
    }

    fn elapsed(&mut self, timer: Timer) {
        match (timer, &self.phase) {
            (Timer::Task, _) => self.interrupt(Cause::TimedOut),
            (Timer::Interrupt, Phase::Interrupting(cause)) => self.stop(cause.clone()),
            (Timer::FollowUp, Phase::Lingering { ending, follow_up: false }) if self.background == 0 => {
                self.finish_turn(ending.clone())
            }
            (Timer::Background, Phase::Lingering { ending, .. }) if self.background > 0 => {
                self.finish_turn(ending.clone());
            }
            (Timer::Result, Phase::Working) if self.idle && self.before.is_some() => {
                self.finish_earlier_turn()
            }
            (Timer::Result, Phase::Working) if self.idle => {
                let reason = "the agent went idle without saying how its turn ended";
                self.stop(Cause::Failed(Failure::retryable("agent_failed", reason)));
            }
            (Timer::Watch, Phase::Working | Phase::Lingering { .. }) => {
                self.effects.push(Effect::Look);
                self.effects.push(Effect::Arm(Timer::Watch));
            }
            (Timer::LastWords, Phase::Stopping(cause)) => self.finish(cause.clone()),
            _ => {}
        }
    }

    fn agent(&mut self, event: AgentEvent, elapsed_ms: u64) {
        match event {
            AgentEvent::Ready => self.ready(),
            AgentEvent::Unusable(reason) => {
                let starts = matches!(self.phase, Phase::Starting);
                let code = if starts { "agent_start_failed" } else { "agent_failed" };
                self.stop(Cause::Failed(Failure::retryable(code, reason)));
            }
            AgentEvent::Said(said) => self.said(said, elapsed_ms),
            AgentEvent::Counted { turns, tokens } => self.books.counted(turns, tokens),
            AgentEvent::Retrying { status: Some(status @ (401 | 403)), .. } => {
                // The CLI itself goes on for three minutes (protocol, section 11.1).
                let reason =
                    format!("the model API refused the key (HTTP status {status}): check CLAUDE_API_KEY");
                self.interrupt(Cause::Failed(Failure::new("model_api_key_refused", reason)));
            }
            AgentEvent::Retrying { .. } => {}
            AgentEvent::TurnResumed => self.resumed = true,
            AgentEvent::Asked(asked) => self.asked(asked),
            AgentEvent::RateLimited { until } => self.limited_until = Some(until),
            AgentEvent::Background { open } => self.background_tasks(open),
            AgentEvent::Busy => self.busy(),
            AgentEvent::Idle => self.went_idle(),
            AgentEvent::PromptRefused(prompt) => {
                if !self.unanswered.remove(&prompt) && self.plan.owns(prompt) {
                    self.stop(Cause::Failed(Failure::new("agent_failed", "the agent refused the prompt")));
                }
            }
            // Only an interrupt of ours does that, and it has its own way to the end.
            AgentEvent::PromptCancelled(prompt) => self.unanswered.retain(|message| *message != prompt),
            AgentEvent::TurnEnded(end) => self.turn_ended(end, elapsed_ms),
            AgentEvent::Exited(exit) => self.exited(&exit),
        }
    }

    fn ready(&mut self) {
        if !matches!(self.phase, Phase::Starting) {
            return;
        }
        self.phase = Phase::Working;
        match self.plan.start {
            Start::Prompt => {
                let (id, text) = (self.plan.prompt, self.plan.text.clone());
                self.effects.push(Effect::Prompt { id, text });
            }
            Start::GoOn if self.resumed => {}
            Start::GoOn => self.send_continuation(),
        }
        self.tell_again();
        self.effects.push(Effect::Arm(Timer::Watch));
    }

    fn said(&mut self, said: Said, elapsed_ms: u64) {
        self.books.said(&said);
        self.watch.said(&said);
        self.effects.push(Effect::Emit(wire::said(said)));
        self.tell_progress(elapsed_ms);
    }

    fn tell_progress(&mut self, elapsed_ms: u64) {
        if let Some(progress) = self.books.news(elapsed_ms) {
            self.effects.push(Effect::Emit(EventBody::Progress(progress.into())));
        }
    }

    fn turn_ended(&mut self, end: TurnEnd, elapsed_ms: u64) {
        self.books.turn_ended(&end);
        self.watch.turn_ended();
        let ending = end.ending.clone();
        let is_ours = end.prompts.iter().any(|prompt| self.plan.owns(*prompt));
        self.unanswered.retain(|message| !end.prompts.contains(message));
        let api_error = end.api_error.clone();
        self.effects.push(Effect::Emit(wire::turn_end(end)));
        self.tell_progress(elapsed_ms);
        match &self.phase {
            Phase::Working if is_ours && api_error.is_some() => self.api_failed(api_error.as_ref(), ending),
            // What came too late for this turn has one of its own.
            Phase::Working if is_ours && ending == TurnEnding::Completed && !self.unanswered.is_empty() => {
                self.before = Some(ending);
            }
            Phase::Working if is_ours && (self.background == 0 || ending != TurnEnding::Completed) => {
                self.finish_turn(ending);
            }
            Phase::Working if is_ours => {
                self.phase = Phase::Lingering { ending, follow_up: false };
                self.effects.push(Effect::Arm(Timer::Background));
            }
            Phase::Lingering { .. } if self.background == 0 => self.finish_turn(ending),
            // What still runs will have a follow-up turn of its own.
            Phase::Lingering { .. } => self.phase = Phase::Lingering { ending, follow_up: false },
            Phase::Interrupting(cause) if is_ours || ending == TurnEnding::Aborted => {
                self.finish(cause.clone())
            }
            _ => {}
        }
    }

    fn background_tasks(&mut self, open: usize) {
        self.background = open;
        if open == 0 && matches!(self.phase, Phase::Lingering { follow_up: false, .. }) {
            // The CLI now starts a turn of its own to tell the model; it did so within 0.1 s.
            self.effects.push(Effect::Arm(Timer::FollowUp));
        }
    }

    fn busy(&mut self) {
        self.idle = false;
        if let Phase::Lingering { follow_up, .. } = &mut self.phase {
            *follow_up = true;
        }
    }

    fn went_idle(&mut self) {
        self.idle = true;
        match &self.phase {
            // The result comes first, as a rule.
            Phase::Working => self.effects.push(Effect::Arm(Timer::Result)),
            Phase::Interrupting(cause) => self.finish(cause.clone()),
            Phase::Lingering { ending, follow_up: true } if self.background == 0 => {
                self.finish_turn(ending.clone())
            }
            _ => {}
        }
    }

    fn exited(&mut self, exit: &Exit) {
        match &self.phase {
            Phase::Stopping(Cause::AgentLost) => {
                self.finish(exit_failure("the agent could no longer be reached", exit));
            }
            Phase::Interrupting(cause) | Phase::Stopping(cause) => self.finish(cause.clone()),
            Phase::Lingering { ending, .. } => self.finish_turn_of_lost_agent(ending.clone()),
            Phase::Starting if exit.conversation_lost => {
                self.finish(Cause::Failed(launch_failure(&LaunchError::ConversationLost)));
            }
            Phase::Starting => self.finish(exit_failure("the agent ended before it was ready", exit)),
            Phase::Working => self.finish(exit_failure("the agent ended before its turn did", exit)),
            Phase::Over(_) => {}
        }
    }

    fn interrupt(&mut self, cause: Cause) {
        match self.phase {
            // There is no turn to end, and an agent that starts might take seconds to hear of it.
            Phase::Starting | Phase::Lingering { .. } => self.stop(cause),
            Phase::Working => {
                self.phase = Phase::Interrupting(cause);
                self.effects.push(Effect::Interrupt);
                self.effects.push(Effect::Arm(Timer::Interrupt));
            }
            Phase::Interrupting(_) | Phase::Stopping(_) | Phase::Over(_) => {}
        }
    }

    fn stop(&mut self, cause: Cause) {
        if !matches!(self.phase, Phase::Stopping(_)) {
            self.phase = Phase::Stopping(cause);
            self.effects.push(Effect::Stop(Urgency::Now));
        }
    }
}

#[cfg(test)]
mod tests;

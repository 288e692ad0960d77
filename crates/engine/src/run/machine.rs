//! What happens to a task, as a pure function: `step(input)` gives effects. No clock, no IO, no waiting.

use agent::{AgentEvent, Exit, LaunchError, Said, TurnEnd, TurnEnding, Urgency};
use api::{ErrorData, EventBody};
use domain::{Ending, Outcome, Progress};
use uuid::Uuid;

use super::bookkeeping::Bookkeeping;
use super::wire;

/// Something happened.
#[derive(Debug)]
pub(super) enum Input {
    /// There is no agent, and why.
    LaunchFailed(LaunchError),
    /// The agent said something.
    Agent(AgentEvent),
    /// The agent can no longer be reached.
    AgentLost,
    /// Somebody wants the task stopped.
    InterruptRequested,
    /// The server is about to stop.
    ShutdownRequested,
    /// A timer that was armed has run out.
    Elapsed(Timer),
    /// The agent and everything it started is gone.
    Stopped,
}

/// Time limits. Arming one again sets it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Timer {
    /// The task's own timeout; armed by the actor.
    Task,
    /// The agent has to have ended its turn.
    Interrupt,
    /// The follow-up turn of a background task has to have begun.
    FollowUp,
    /// Background tasks have to have ended.
    Background,
    /// An agent that waits for a prompt has to have said how its turn ended.
    Result,
    /// The last output of an agent that was stopped has to have arrived.
    LastWords,
}

/// Something has to be done.
#[derive(Debug)]
pub(super) enum Effect {
    /// Write an event.
    Emit(EventBody),
    /// Hand the agent its prompt.
    Prompt,
    /// Ask the agent to end its turn.
    Interrupt,
    /// End the agent.
    Stop(Urgency),
    /// Start a time limit.
    Arm(Timer),
    /// Write the task's end. Nothing is emitted after it.
    Finish(Outcome),
}

/// Why a task is being stopped.
#[derive(Debug, Clone)]
enum Cause {
    Interrupt(&'static str),
    TimedOut,
    /// It can no longer be reached; how its process ends will tell why.
    AgentLost,
    Failed {
        code: &'static str,
        reason: String,
        retryable: bool,
    },
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
    /// The task has ended.
    Finished(Ending),
}

/// One task at work.
#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    prompt: Uuid,
    timeout_seconds: u64,
    books: Bookkeeping,
    background: usize,
    /// Whether the agent has worked and now waits for a prompt.
    idle: bool,
    effects: Vec<Effect>,
}

impl Machine {
    /// A task whose agent is being started, and whose prompt will carry that id.
    pub(super) fn new(prompt: Uuid, timeout_seconds: u64) -> Self {
        let books = Bookkeeping::default();
        let phase = Phase::Starting;
        Self { phase, prompt, timeout_seconds, books, background: 0, idle: false, effects: Vec::new() }
    }

    /// The counters.
    pub(super) fn progress(&self, elapsed_ms: u64) -> Progress {
        self.books.progress(elapsed_ms)
    }

    /// Whether the model has answered.
    pub(super) fn has_answered(&self) -> bool {
        self.books.has_answered
    }

    /// Whether the task has ended.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished(_))
    }

    /// How much time the agent gets to end, now that the task has ended. One that was stopped gets none: what it runs
    /// in the background would go on meanwhile.
    pub(super) fn farewell(&self) -> Urgency {
        match self.phase {
            Phase::Finished(Ending::Completed) => Urgency::Orderly,
            _ => Urgency::Now,
        }
    }

    /// Takes in what happened; `elapsed_ms` is the task's age. Gives what has to be done, in order.
    pub(super) fn step(&mut self, input: Input, elapsed_ms: u64) -> Vec<Effect> {
        if !self.is_finished() {
            self.take(input, elapsed_ms);
        }
        std::mem::take(&mut self.effects)
    }

    fn take(&mut self, input: Input, elapsed_ms: u64) {
        match input {
            Input::Agent(event) => self.agent(event, elapsed_ms),
            Input::LaunchFailed(error) => {
                let (code, retryable) = match &error {
                    LaunchError::NotStarted(_) => ("agent_start_failed", true),
                    LaunchError::ConversationLost => ("conversation_lost", false),
                    LaunchError::ConversationInUse => ("conversation_in_use", true),
                };
                self.finish(Cause::Failed { code, reason: error.to_string(), retryable });
            }
            Input::AgentLost => {
                let cause = match &self.phase {
                    Phase::Interrupting(cause) => cause.clone(),
                    _ => Cause::AgentLost,
                };
                self.stop(cause);
            }
            Input::InterruptRequested => self.interrupt(Cause::Interrupt("interrupted by request")),
            Input::ShutdownRequested => {
                self.interrupt(Cause::Interrupt("interrupted: the server was stopped"))
            }
            Input::Elapsed(timer) => self.elapsed(timer),
            Input::Stopped => self.effects.push(Effect::Arm(Timer::LastWords)),
        }
    }

    fn elapsed(&mut self, timer: Timer) {
        match (timer, &self.phase) {
            (Timer::Task, _) => self.interrupt(Cause::TimedOut),
            (Timer::Interrupt, Phase::Interrupting(cause)) => self.stop(cause.clone()),
            (Timer::FollowUp, Phase::Lingering { ending, follow_up: false }) => {
                self.finish_turn(ending.clone())
            }
            (Timer::Background, Phase::Lingering { ending, .. }) if self.background > 0 => {
                self.finish_turn(ending.clone());
            }
            (Timer::Result, Phase::Working) if self.idle => {
                let reason = "the agent went idle without saying how its turn ended".to_owned();
                self.stop(Cause::Failed { code: "agent_failed", reason, retryable: true });
            }
            (Timer::LastWords, Phase::Stopping(cause)) => self.finish(cause.clone()),
            _ => {}
        }
    }

    fn agent(&mut self, event: AgentEvent, elapsed_ms: u64) {
        match event {
            AgentEvent::Ready => {
                if matches!(self.phase, Phase::Starting) {
                    self.phase = Phase::Working;
                    self.effects.push(Effect::Prompt);
                }
            }
            AgentEvent::Unusable(reason) => {
                let starts = matches!(self.phase, Phase::Starting);
                let code = if starts { "agent_start_failed" } else { "agent_failed" };
                self.stop(Cause::Failed { code, reason, retryable: true });
            }
            AgentEvent::Said(said) => self.said(said, elapsed_ms),
            AgentEvent::Counted { turns, tokens } => self.books.counted(turns, tokens),
            AgentEvent::Retrying { status: Some(status @ (401 | 403)), .. } => {
                // The CLI itself goes on for three minutes (protocol, section 11.1).
                let reason =
                    format!("the model API refused the key (HTTP status {status}): check CLAUDE_API_KEY");
                self.interrupt(Cause::Failed { code: "model_api_key_refused", reason, retryable: false });
            }
            AgentEvent::Retrying { .. } | AgentEvent::RateLimited { .. } | AgentEvent::TurnResumed => {}
            AgentEvent::Background { open } => self.background_tasks(open),
            AgentEvent::Busy => self.busy(),
            AgentEvent::Idle => self.went_idle(),
            AgentEvent::PromptRefused(prompt) => {
                if prompt == self.prompt {
                    let reason = "the agent refused the prompt".to_owned();
                    self.stop(Cause::Failed { code: "agent_failed", reason, retryable: false });
                }
            }
            // Only an interrupt of ours does that, and it has its own way to the end.
            AgentEvent::PromptCancelled(_) => {}
            AgentEvent::TurnEnded(end) => self.turn_ended(end, elapsed_ms),
            AgentEvent::Exited(exit) => self.exited(&exit),
        }
    }

    fn said(&mut self, said: Said, elapsed_ms: u64) {
        self.books.said(&said);
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
        let ending = end.ending.clone();
        let is_ours = end.prompts.contains(&self.prompt);
        self.effects.push(Effect::Emit(wire::turn_end(end)));
        self.tell_progress(elapsed_ms);
        match &self.phase {
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
            Phase::Lingering { ending, .. } => self.finish_turn(ending.clone()),
            Phase::Starting if exit.conversation_lost => self.finish(conversation_lost()),
            Phase::Starting => self.finish(exit_failure("the agent ended before it was ready", exit)),
            Phase::Working => self.finish(exit_failure("the agent ended before its turn did", exit)),
            Phase::Finished(_) => {}
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
            Phase::Interrupting(_) | Phase::Stopping(_) | Phase::Finished(_) => {}
        }
    }

    fn stop(&mut self, cause: Cause) {
        if !matches!(self.phase, Phase::Stopping(_)) {
            self.phase = Phase::Stopping(cause);
            self.effects.push(Effect::Stop(Urgency::Now));
        }
    }

    fn finish_turn(&mut self, ending: TurnEnding) {
        match ending {
            TurnEnding::Completed => self.end(Ending::Completed, Vec::new()),
            TurnEnding::Aborted => {
                let reason = "the agent aborted its turn without being asked".to_owned();
                self.finish(Cause::Failed { code: "agent_failed", reason, retryable: true });
            }
            TurnEnding::Failed(reason) => {
                self.finish(Cause::Failed { code: "agent_failed", reason, retryable: false });
            }
        }
    }

    fn finish(&mut self, cause: Cause) {
        match cause {
            Cause::Interrupt(reason) => self.end(Ending::Interrupted, vec![reason.to_owned()]),
            Cause::TimedOut => {
                let reason = format!("timed out after {} seconds", self.timeout_seconds);
                self.emit_error("task_timeout", &reason, false);
                self.end(Ending::TimedOut, vec![reason]);
            }
            Cause::AgentLost => {
                let reason = "the agent could no longer be reached".to_owned();
                self.finish(Cause::Failed { code: "agent_exited", reason, retryable: true });
            }
            Cause::Failed { code, reason, retryable } => {
                self.emit_error(code, &reason, retryable);
                self.end(Ending::Failed, vec![reason]);
            }
        }
    }

    fn emit_error(&mut self, code: &'static str, error: &str, retryable: bool) {
        let error = ErrorData { error: error.to_owned(), code, retryable };
        self.effects.push(Effect::Emit(EventBody::Error(error)));
    }

    fn end(&mut self, ending: Ending, errors: Vec<String>) {
        self.phase = Phase::Finished(ending);
        let summary = std::mem::take(&mut self.books.last_text);
        let total_cost_usd = self.books.cost_usd;
        self.effects.push(Effect::Finish(Outcome { ending, summary, errors, total_cost_usd }));
    }
}

fn conversation_lost() -> Cause {
    let reason = LaunchError::ConversationLost.to_string();
    Cause::Failed { code: "conversation_lost", reason, retryable: false }
}

fn exit_failure(what: &str, exit: &Exit) -> Cause {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown exit".to_owned(),
    };
    let tail = last_characters(exit.stderr_tail.trim(), MOST_STDERR_CHARACTERS);
    let reason = if tail.is_empty() { format!("{what} ({how})") } else { format!("{what} ({how}): {tail}") };
    Cause::Failed { code: "agent_exited", reason, retryable: true }
}

/// What an error shows of an agent's stderr.
const MOST_STDERR_CHARACTERS: usize = 4_000;

fn last_characters(text: &str, most: usize) -> &str {
    let cut = text.char_indices().rev().nth(most.saturating_sub(1)).map_or(0, |(place, _)| place);
    text.get(cut..).unwrap_or(text)
}

#[cfg(test)]
mod tests;

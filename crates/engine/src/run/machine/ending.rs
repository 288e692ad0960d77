//! How a task ends, and what its agent is left to do.

use agent::{Exit, LaunchError, TurnEnding, Urgency};
use api::{ErrorData, EventBody};
use domain::{Ending, Outcome};

use super::{Cause, Effect, Failure, Farewell, Machine, Phase};

impl Machine {
    /// The turn has ended in order, and so has the task. The agent can go on unless something of it still runs.
    pub(super) fn finish_turn(&mut self, ending: TurnEnding) {
        let farewell = match (self.background, self.unanswered.is_empty()) {
            (0, true) => Farewell::Keep,
            (_, true) => Farewell::Stop(Urgency::Orderly),
            // It would have a turn for what it was told that belongs to nobody.
            (_, false) => Farewell::Stop(Urgency::Now),
        };
        self.turn_is_task(ending, farewell);
    }

    pub(super) fn finish_turn_of_lost_agent(&mut self, ending: TurnEnding) {
        self.turn_is_task(ending, Farewell::Stop(Urgency::Now));
    }

    fn turn_is_task(&mut self, ending: TurnEnding, farewell: Farewell) {
        match ending {
            TurnEnding::Completed => self.end(Ending::Completed, Vec::new(), farewell),
            TurnEnding::Aborted => {
                let reason = "the agent aborted its turn without being asked";
                self.finish(Cause::Failed(Failure::retryable("agent_failed", reason)));
            }
            TurnEnding::Failed(reason) => {
                self.emit_error("agent_failed", &reason, false);
                self.end(Ending::Failed, vec![reason], farewell);
            }
        }
    }

    pub(super) fn finish(&mut self, cause: Cause) {
        // What a stopped agent runs in the background must not go on meanwhile.
        let now = Farewell::Stop(Urgency::Now);
        match cause {
            Cause::Interrupt(reason) => self.end(Ending::Interrupted, vec![reason.to_owned()], now),
            Cause::TimedOut => {
                let reason = format!("timed out after {} seconds", self.plan.timeout_seconds);
                self.emit_error("task_timeout", &reason, false);
                self.end(Ending::TimedOut, vec![reason], now);
            }
            Cause::AgentLost => {
                let reason = "the agent could no longer be reached";
                self.finish(Cause::Failed(Failure::retryable("agent_exited", reason)));
            }
            Cause::Failed(failure) => match self.another_attempt(&failure) {
                Some(again) => self.put_back(again),
                None => {
                    self.emit_error(failure.code, &failure.reason, failure.retryable);
                    self.end(Ending::Failed, vec![failure.reason], now);
                }
            },
            Cause::Suspend(again) => self.put_back(again),
        }
    }

    pub(super) fn emit_error(&mut self, code: &'static str, error: &str, retryable: bool) {
        let error = ErrorData { error: error.to_owned(), code, retryable };
        self.effects.push(Effect::Emit(EventBody::Error(error)));
    }

    pub(super) fn end(&mut self, ending: Ending, errors: Vec<String>, farewell: Farewell) {
        self.phase = Phase::Over(farewell);
        let summary = std::mem::take(&mut self.books.last_text);
        let total_cost_usd = self.books.cost_usd;
        self.effects.push(Effect::Finish(Outcome { ending, summary, errors, total_cost_usd }));
    }
}

pub(super) fn launch_failure(error: &LaunchError) -> Failure {
    match error {
        LaunchError::NotStarted(_) => Failure::retryable("agent_start_failed", error.to_string()),
        LaunchError::ConversationLost => Failure::new("conversation_lost", error.to_string()),
        LaunchError::ConversationInUse => Failure::retryable("conversation_in_use", error.to_string()),
    }
}

pub(super) fn exit_failure(what: &str, exit: &Exit) -> Cause {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown exit".to_owned(),
    };
    let tail = last_characters(exit.stderr_tail.trim(), MOST_STDERR_CHARACTERS);
    let reason = if tail.is_empty() { format!("{what} ({how})") } else { format!("{what} ({how}): {tail}") };
    Cause::Failed(Failure::retryable("agent_exited", reason))
}

/// What an error shows of an agent's stderr.
const MOST_STDERR_CHARACTERS: usize = 4_000;

pub(super) fn last_characters(text: &str, most: usize) -> &str {
    let cut = text.char_indices().rev().nth(most.saturating_sub(1)).map_or(0, |(place, _)| place);
    text.get(cut..).unwrap_or(text)
}

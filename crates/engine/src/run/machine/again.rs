//! Further attempts: after a rate limit, after a failure as far as the policy lets, and after the server's stop.

use agent::{ApiError, Asked, TurnEnding, Urgency};
use domain::{OnRestart, OnStall};
use store::WaitReason;

use super::{Again, Cause, Effect, Failure, Farewell, Machine, Phase, Timer};
use crate::run::wire;

/// Statuses with which the model API says "later".
const LATER: [u16; 2] = [429, 529];
/// Stalls after which an agent that is resumed each time is given up.
const MOST_STALLS: u32 = 3;

impl Machine {
    /// The turn ended because the model API did not do what it was asked.
    pub(super) fn api_failed(&mut self, error: Option<&ApiError>, ending: TurnEnding) {
        let status = error.and_then(|error| error.status);
        let reason = match ending {
            TurnEnding::Failed(reason) => reason,
            TurnEnding::Completed | TurnEnding::Aborted => "the model API failed".to_owned(),
        };
        let is_later = status.is_some_and(|status| LATER.contains(&status)) || self.limited_until.is_some();
        if is_later && !self.plan.is_parked_too_long {
            let until = self.limited_until;
            self.put_back(Again {
                reason: WaitReason::RateLimit,
                until,
                failed: false,
                cause: reason,
                asked: None,
                background: 0,
            });
            return;
        }
        let is_passing = is_later || status.is_none_or(|status| status >= 500);
        let failure = if is_passing {
            Failure::retryable("model_api_failed", reason)
        } else {
            Failure::new("agent_failed", reason)
        };
        self.finish(Cause::Failed(failure));
    }

    /// Whether the policy has the task tried again. What tools did would be done twice, unless the caller does not mind.
    pub(super) fn another_attempt(&self, failure: &Failure) -> Option<Again> {
        let retry = self.plan.policy.retry;
        let may = failure.retryable
            && self.plan.failures + 1 < retry.max_attempts
            && (retry.after_side_effects || !self.watch.has_used_tools());
        may.then(|| {
            // A conversation whose turn was cut off is carried on in that turn.
            let cut_off = failure.code == "agent_exited";
            let reason = if cut_off { WaitReason::CutOff } else { WaitReason::Retry };
            Again {
                reason,
                until: None,
                failed: true,
                cause: failure.reason.clone(),
                asked: None,
                background: 0,
            }
        })
    }

    pub(super) fn put_back(&mut self, again: Again) {
        let in_order = matches!(again.reason, WaitReason::RateLimit | WaitReason::Answer);
        let urgency = if in_order { Urgency::Orderly } else { Urgency::Now };
        self.phase = Phase::Over(Farewell::Stop(urgency));
        self.effects.push(Effect::Emit(wire::put_back(&again)));
        self.effects.push(Effect::PutBack(again));
    }

    /// A person is to decide about a tool call; the agent ends its turn by itself.
    pub(super) fn asked(&mut self, asked: Box<Asked>) {
        if !matches!(self.phase, Phase::Working | Phase::Lingering { .. }) {
            return;
        }
        let cause = format!("{} needs a permission", asked.tool);
        let reason = WaitReason::Answer;
        let again = Again {
            reason,
            until: None,
            failed: false,
            cause,
            asked: Some(asked),
            background: self.background,
        };
        self.phase = Phase::Interrupting(Cause::Suspend(again));
        self.effects.push(Effect::Arm(Timer::Interrupt));
    }

    /// The server is about to stop: the task is interrupted, or goes on after the next start.
    pub(super) fn shut_down(&mut self) {
        if self.plan.is_durable && self.plan.policy.on_restart == OnRestart::Resume {
            let cause = "the server was stopped".to_owned();
            self.stop(Cause::Suspend(Again {
                reason: WaitReason::CutOff,
                until: None,
                failed: false,
                cause,
                asked: None,
                background: 0,
            }));
        } else {
            self.interrupt(Cause::Interrupt("interrupted: the server was stopped"));
        }
    }

    /// The agent makes no progress.
    pub(super) fn stalled(&mut self, silent_seconds: u64) {
        self.effects.push(Effect::Emit(wire::stalled(silent_seconds, self.watch.open_calls())));
        let reason = format!("the agent made no progress for {silent_seconds} seconds");
        match self.plan.policy.on_stall {
            OnStall::Report => {}
            OnStall::Resume if self.plan.failures < MOST_STALLS => {
                let again = Again {
                    reason: WaitReason::CutOff,
                    until: None,
                    failed: true,
                    cause: reason,
                    asked: None,
                    background: 0,
                };
                self.stop(Cause::Suspend(again));
            }
            OnStall::Fail | OnStall::Resume => {
                self.interrupt(Cause::Failed(Failure::new("agent_stalled", reason)));
            }
        }
    }
}

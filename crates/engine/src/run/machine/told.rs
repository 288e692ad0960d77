//! What people say to the agent while it works. The agent takes it into the running turn between two of its tools, or has a turn of
//! its own for it (protocol section 5.2).

use uuid::Uuid;

use super::{Effect, Machine, Phase, Timer, wire};

impl Machine {
    /// Whether there is, or will be, a turn that a message can go into.
    pub(in crate::run) fn takes_messages(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Working | Phase::Lingering { .. })
    }

    /// Whether a message or prompt with that id stands in the task's log already.
    pub(in crate::run) fn knows_prompt(&self, id: Uuid) -> bool {
        self.plan.owns(id)
    }

    pub(super) fn told(&mut self, id: Uuid, text: String) {
        self.effects.push(Effect::Emit(wire::message(id, &text)));
        self.plan.messages.known.push(id);
        if matches!(self.phase, Phase::Starting) {
            self.plan.messages.untold.push((id, text));
            return;
        }
        self.phase = Phase::Working;
        self.unanswered.insert(id);
        self.effects.push(Effect::Prompt { id, text });
    }

    /// Tells what no agent has heard yet.
    pub(super) fn tell_again(&mut self) {
        for (id, text) in std::mem::take(&mut self.plan.messages.untold) {
            self.unanswered.insert(id);
            self.effects.push(Effect::Prompt { id, text });
        }
    }

    /// The agent waits for a prompt, and has not said that it had a turn for what came too late for the last one.
    pub(super) fn finish_earlier_turn(&mut self) {
        let Some(ending) = self.before.take() else { return };
        if self.background == 0 {
            self.finish_turn(ending);
        } else {
            self.unanswered.clear();
            self.phase = Phase::Lingering { ending, follow_up: false };
            self.effects.push(Effect::Arm(Timer::Background));
        }
    }
}

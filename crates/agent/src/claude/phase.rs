//! What an agent is doing. Pure: the same inputs give the same phases.

use uuid::Uuid;

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It does not take prompts yet.
    Starting,
    /// It waits for a prompt.
    Ready,
    /// It works on a prompt, or on the follow-up of a background task.
    InTurn,
    /// It waits for an answer of ours.
    AwaitingAnswer,
    /// It was told to end.
    Stopping,
    /// Its process is gone.
    Ended,
}

/// Something that changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Ready,
    Prompted(Uuid),
    /// A prompt is done with: a result named it, or it was refused.
    Done(Uuid),
    /// The CLI runs a turn again whose prompt we did not send.
    TurnResumed,
    /// A result came.
    TurnEnded,
    /// The CLI says that it works.
    Busy,
    /// The CLI says that it waits.
    Idle,
    /// So many questions are open.
    Questions(usize),
    Stopping,
    Ended,
}

/// Follows the changes.
#[derive(Debug, Default)]
pub(super) struct Follower {
    ready: bool,
    busy: bool,
    questions: usize,
    prompts: Vec<Uuid>,
    resumed_turn: bool,
    stopping: bool,
    ended: bool,
}

impl Follower {
    pub(super) fn follow(&mut self, change: Change) -> Phase {
        match change {
            Change::Ready => self.ready = true,
            Change::Prompted(prompt) => self.prompts.push(prompt),
            Change::Done(prompt) => self.prompts.retain(|open| *open != prompt),
            Change::TurnResumed => self.resumed_turn = true,
            Change::TurnEnded => self.resumed_turn = false,
            Change::Busy => self.busy = true,
            Change::Idle => self.busy = false,
            Change::Questions(open) => self.questions = open,
            Change::Stopping => self.stopping = true,
            Change::Ended => self.ended = true,
        }
        self.phase()
    }

    /// Whether a prompt is still to be answered.
    pub(super) fn has_open_prompt(&self) -> bool {
        self.resumed_turn || !self.prompts.is_empty()
    }

    fn phase(&self) -> Phase {
        match self {
            Self { ended: true, .. } => Phase::Ended,
            Self { stopping: true, .. } => Phase::Stopping,
            Self { ready: false, .. } => Phase::Starting,
            Self { questions: 1.., .. } => Phase::AwaitingAnswer,
            Self { busy: false, .. } if !self.has_open_prompt() => Phase::Ready,
            _ => Phase::InTurn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_with_a_question_and_a_background_follow_up() {
        let prompt = Uuid::from_u128(1);
        let mut follower = Follower::default();
        let changes = [
            (Change::Questions(1), Phase::Starting),
            (Change::Questions(0), Phase::Starting),
            (Change::Ready, Phase::Ready),
            (Change::Prompted(prompt), Phase::InTurn),
            (Change::Busy, Phase::InTurn),
            (Change::Questions(1), Phase::AwaitingAnswer),
            (Change::Questions(0), Phase::InTurn),
            (Change::Done(prompt), Phase::InTurn),
            (Change::Idle, Phase::Ready),
            (Change::Busy, Phase::InTurn),
            (Change::Idle, Phase::Ready),
            (Change::Stopping, Phase::Stopping),
            (Change::Busy, Phase::Stopping),
            (Change::Ended, Phase::Ended),
            (Change::Idle, Phase::Ended),
        ];
        for (number, (change, phase)) in changes.into_iter().enumerate() {
            assert_eq!(follower.follow(change), phase, "step {number}");
        }
    }

    #[test]
    fn a_turn_that_is_run_again_is_open_until_a_result_comes() {
        let mut follower = Follower::default();
        follower.follow(Change::TurnResumed);
        assert_eq!((follower.follow(Change::Ready), follower.has_open_prompt()), (Phase::InTurn, true));
        assert_eq!((follower.follow(Change::TurnEnded), follower.has_open_prompt()), (Phase::Ready, false));
    }

    #[test]
    fn a_prompt_that_waits_keeps_the_turn_open_though_the_cli_is_idle() {
        let mut follower = Follower::default();
        follower.follow(Change::Ready);
        follower.follow(Change::Prompted(Uuid::from_u128(1)));
        follower.follow(Change::Prompted(Uuid::from_u128(2)));
        follower.follow(Change::Done(Uuid::from_u128(1)));
        assert_eq!(follower.follow(Change::Idle), Phase::InTurn);
        assert_eq!(follower.follow(Change::Done(Uuid::from_u128(2))), Phase::Ready);
    }
}

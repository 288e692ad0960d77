//! What the machine is told, and what it asks for.

use agent::{AgentEvent, Asked, LaunchError, Urgency, Vitals};
use api::EventBody;
use domain::{Outcome, Timestamp};
use store::WaitReason;
use uuid::Uuid;

/// Something happened.
#[derive(Debug)]
pub(in crate::run) enum Input {
    /// There is no agent, and why.
    LaunchFailed(LaunchError),
    /// The agent said something.
    Agent(AgentEvent),
    /// The agent can no longer be reached.
    AgentLost,
    /// Somebody has something to say to the agent, at a moment in which [`Machine::takes_messages`](super::Machine).
    Message {
        /// Its id.
        id: Uuid,
        /// What.
        text: String,
    },
    /// Somebody wants the task stopped.
    InterruptRequested,
    /// The server is about to stop.
    ShutdownRequested,
    /// A timer that was armed has run out.
    Elapsed(Timer),
    /// How long the agent has been silent, in milliseconds, and what it uses; asked for by [`Effect::Look`].
    Looked {
        /// Silence.
        silent_ms: u64,
        /// `None` when the system does not tell.
        vitals: Option<Vitals>,
    },
    /// The agent and everything it started is gone.
    Stopped,
}

/// Time limits. Arming one again sets it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::run) enum Timer {
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
    /// It is time to look whether the agent makes progress.
    Watch,
}

/// Something has to be done.
#[derive(Debug)]
pub(in crate::run) enum Effect {
    /// Write an event.
    Emit(EventBody),
    /// Hand the agent a prompt.
    Prompt {
        /// Which.
        id: Uuid,
        /// Its text.
        text: String,
    },
    /// Ask the agent to end its turn.
    Interrupt,
    /// End the agent.
    Stop(Urgency),
    /// Start a time limit.
    Arm(Timer),
    /// Look whether the agent makes progress.
    Look,
    /// Write the task's end. Nothing is emitted after it.
    Finish(Outcome),
    /// Write that the task waits for another attempt. Nothing is emitted after it.
    PutBack(Again),
}

/// A further attempt.
#[derive(Debug, Clone)]
pub(in crate::run) struct Again {
    /// Why the task waits for it.
    pub(in crate::run) reason: WaitReason,
    /// Not before then, when that is known.
    pub(in crate::run) until: Option<Timestamp>,
    /// Whether the attempt counts as failed.
    pub(in crate::run) failed: bool,
    /// What happened, for people.
    pub(in crate::run) cause: String,
    /// What it waits for the answer to.
    pub(in crate::run) asked: Option<Box<Asked>>,
    /// Background tasks that end with the attempt.
    pub(in crate::run) background: usize,
}

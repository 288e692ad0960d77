//! What drives an agent, whatever its kind.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use domain::{ConversationId, PermissionMode};
use process::RungReport;
use uuid::Uuid;

use crate::Events;

/// How the agent's conversation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A new conversation under this id.
    New(ConversationId),
    /// The conversation with this id goes on.
    Resume(ConversationId),
}

/// What an agent is started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpec {
    /// Which conversation.
    pub opening: Opening,
    /// The folder it works in: absolute, and there.
    pub working_directory: PathBuf,
    /// Tools and rules that run without asking.
    pub allowed_tools: Vec<String>,
    /// What happens with the rest.
    pub permission_mode: PermissionMode,
    /// Most model answers in a turn.
    pub max_turns: Option<u32>,
    /// Model name or alias; `None` for the default.
    pub model: Option<String>,
}

/// An agent that was started; it is of use once its events say `Ready`.
pub struct Launched {
    /// Takes commands. Dropping it kills the agent and everything it started.
    pub agent: Box<dyn Agent>,
    /// What it says. Bounded: while nobody reads, the agent's output stays in its pipe.
    pub events: Events,
}

/// Why no agent could be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no process.
    #[error("the agent could not be started: {0}")]
    NotStarted(String),
    /// The conversation to resume is not there. Starting anew instead would silently forget what was said.
    #[error("the session's conversation is no longer there to resume: start a new session")]
    ConversationLost,
    /// Another agent writes this conversation. Of two writers one would be forgotten.
    #[error("another agent works in this conversation: wait until it has ended, or fork it")]
    ConversationInUse,
}

/// The agent's process no longer takes input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent no longer takes input")]
pub struct AgentGone;

/// How much time an agent gets to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Its work is done: it may take seconds to write down what it must.
    Orderly,
    /// It has to be gone now; its tools are ended with it.
    Now,
}

/// What a stop did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReceipt {
    /// Whether a turn was running and was interrupted first, so that the agent could write down its end.
    pub interrupted: bool,
    /// The rungs that were climbed after that, in order, and how long each took.
    pub rungs: Vec<RungReport>,
    /// Time from the request to the end of the last process.
    pub took: Duration,
    /// Processes of the agent's tree that had to be killed.
    pub processes_killed: usize,
    /// Processes that are still there. Anything but 0 is a fault that has to be reported.
    pub processes_left: usize,
}

/// Takes commands for one agent.
#[async_trait]
pub trait Agent: Send + Sync {
    /// Hands over a prompt. The turn that answers it ends with a [`crate::TurnEnd`] that names `id`.
    ///
    /// # Errors
    /// When the agent no longer takes input.
    async fn prompt(&self, id: Uuid, text: &str) -> Result<(), AgentGone>;

    /// Asks the agent to end its turn and to forget prompts that wait. The turn's end tells that it did.
    ///
    /// # Errors
    /// When the agent no longer takes input.
    async fn interrupt(&self) -> Result<(), AgentGone>;

    /// Whether there is a conversation that a later agent can resume. To be asked after the stop.
    async fn has_conversation(&self) -> bool;

    /// Ends the agent and every process that it started; returns when they are gone.
    async fn stop(&self, urgency: Urgency) -> StopReceipt;
}

/// Starts agents.
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// Starts one. Returns as soon as its process runs; `Ready` or `Exited` follows as an event.
    ///
    /// # Errors
    /// When there is no process to start.
    async fn launch(&self, spec: AgentSpec) -> Result<Launched, LaunchError>;
}

//! What drives an agent, whatever its kind.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{AgentOptions, Answered, ConversationId, PermissionMode, Principal};
use process::{RungReport, Vitals};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::Events;

/// How the agent's conversation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A new conversation under this id. An agent that was prepared has an id of its own: see
    /// [`Launched::conversation`].
    New(ConversationId),
    /// The conversation with this id goes on.
    Resume(ConversationId),
    /// The conversation with this id goes on, and a turn that its last agent did not end, because that was killed or the
    /// model API failed, is run to its end without a prompt: see [`AgentEvent::TurnResumed`](crate::AgentEvent::TurnResumed).
    /// A call whose tool had not ended is left out, so that the model may make it again.
    ResumeTurn(ConversationId),
    /// A copy of a conversation goes on, and the original stays as it is.
    Fork {
        /// The original.
        from: ConversationId,
        /// The copy.
        to: ConversationId,
    },
}

/// What an agent is started for.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentSpec {
    /// Which conversation.
    pub opening: Opening,
    /// Whose: conversations and everything else that agents keep are each principal's own.
    pub principal: Principal,
    /// The folder it works in: absolute, and there.
    pub working_directory: PathBuf,
    /// Tools and rules that run without asking.
    pub allowed_tools: Vec<String>,
    /// What happens with the rest.
    pub permission_mode: PermissionMode,
    /// What becomes of calls that neither allows.
    pub asking: Asking,
    /// Most model answers in a turn.
    pub max_turns: Option<u32>,
    /// Most that this agent may cost, in US dollars; what earlier agents of the conversation cost does not count.
    /// Overshoots by one answer of the model.
    pub max_budget_usd: Option<f64>,
    /// Model name or alias; `None` for the default.
    pub model: Option<String>,
    /// What few tasks need.
    pub more: AgentOptions,
    /// What its work is a part of, as a W3C `traceparent`. An agent fits whatever it was started with.
    pub trace_parent: Option<String>,
}

/// What becomes of tool calls that the options do not allow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asking {
    /// Whether somebody is there to answer: then the turn is ended and an [`AgentEvent::Asked`](crate::AgentEvent::Asked)
    /// tells of the call. Otherwise it is refused, as are those of sub-agents in any case.
    pub is_possible: bool,
    /// The answers so far. A call that one of them is about is decided by it.
    pub answered: Vec<Answered>,
}

/// An agent that was started; it is of use once its events say `Ready`.
pub struct Launched {
    /// Takes commands. Dropping it kills the agent and everything it started.
    pub agent: Box<dyn Agent>,
    /// What it says. Bounded: while nobody reads, the agent's output stays in its pipe.
    pub events: Events,
    /// The conversation that it writes.
    pub conversation: ConversationId,
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

    /// What its process and those that it started use now.
    ///
    /// # Errors
    /// When it has ended, or the system does not tell.
    async fn vitals(&self) -> std::io::Result<Vitals>;

    /// How long it has said nothing, pieces of answers included.
    fn silent_for(&self) -> Duration;

    /// Ends the agent and every process that it started; returns when they are gone.
    async fn stop(&self, urgency: Urgency) -> StopReceipt;
}

/// Starts agents, and keeps their conversations.
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// Starts one. Returns as soon as its process runs; `Ready` or `Exited` follows as an event.
    ///
    /// # Errors
    /// When there is no process to start.
    async fn launch(&self, spec: AgentSpec) -> Result<Launched, LaunchError>;

    /// Starts one that waits for its folder, and returns when it is ready. The opening and the folder of `spec` are not
    /// looked at. `None` when this launcher cannot, or the agent did not become ready.
    async fn prepare(&self, spec: &AgentSpec) -> Option<Box<dyn Prepared>> {
        let _ = spec;
        None
    }

    /// Whether the conversation holds the prompt with this id, so that it need not be sent again.
    async fn has_prompt(&self, principal: &Principal, conversation: ConversationId, prompt: Uuid) -> bool;

    /// Whether there is something to resume.
    async fn has_conversation(&self, principal: &Principal, conversation: ConversationId) -> bool;

    /// What was said in a conversation, a JSON object a line, in pieces of whole lines; `None` when there is nothing. A reader
    /// that is slow holds up nobody.
    async fn transcript(
        &self,
        principal: &Principal,
        conversation: ConversationId,
    ) -> std::io::Result<Option<mpsc::Receiver<Bytes>>> {
        // Not every kind of agent keeps one.
        let _: (&Principal, ConversationId) = (principal, conversation);
        Ok(None)
    }

    /// Deletes the conversation and what belongs to it, once no agent writes it any more. It is kept when that one does not end.
    async fn forget(&self, principal: &Principal, conversation: ConversationId);
}

/// An agent that waits for its task. Dropping it kills it.
#[async_trait]
pub trait Prepared: Send + Sync {
    /// Whether it still waits.
    fn is_ready(&self) -> bool;

    /// Whether it can become what is wanted: a new conversation, with nothing but the folder different from what it was
    /// prepared for.
    fn fits(&self, spec: &AgentSpec) -> bool;

    /// Gives it its folder. It has a conversation of its own, whichever the spec says: see [`Launched::conversation`].
    ///
    /// # Errors
    /// When it does not fit or cannot work there. It is ended then; another one may be launched.
    async fn bind(self: Box<Self>, spec: &AgentSpec) -> Result<Launched, LaunchError>;

    /// Ends it.
    async fn stop(self: Box<Self>) -> StopReceipt;

    /// Its process.
    fn pid(&self) -> u32;
}

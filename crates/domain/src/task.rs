//! What was asked for.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentOptions, Labels, PermissionMode, Policy, Principal, Schedule, SessionId, TaskId};

/// A digest of a submission as the client sent it: tells a safe retry from another task under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// What becomes of a task whose session is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenBusy {
    /// It waits for its turn.
    #[default]
    Enqueue,
    /// It is not admitted.
    Reject,
    /// What runs or waits in the session is interrupted first.
    Interrupt,
    /// It gets a new session with a copy of the conversation.
    Fork,
}

/// Which conversation a task belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionChoice {
    /// A new one, named after the task.
    New,
    /// One that exists.
    Reuse {
        /// Which.
        id: SessionId,
        /// What happens when something runs or waits in it.
        when_busy: WhenBusy,
    },
    /// A new one, named after the task, that begins with a copy of this one's conversation.
    Fork(SessionId),
}

/// How the agent is to work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskOptions {
    /// Tools, or rules such as `Bash(git *)`, that run without asking. Tools that change things and are not named
    /// here are refused.
    pub allowed_tools: Vec<String>,
    /// What happens with the rest.
    pub permission_mode: PermissionMode,
    /// Most model answers; `None` for no limit.
    pub max_turns: Option<u32>,
    /// Longest time that an agent may work on it.
    pub timeout: Duration,
    /// A model's name or alias; `None` for the CLI's default.
    pub model: Option<String>,
    /// Most that the task may cost, in US dollars, all attempts together; `None` for no limit. Overshoots by at most one
    /// call of the model.
    pub max_budget_usd: Option<f64>,
    /// What few tasks need.
    #[serde(default)]
    pub agent: AgentOptions,
}

/// One admitted request for work, complete and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Its id.
    pub task_id: TaskId,
    /// Digest of the request as sent.
    pub fingerprint: Fingerprint,
    /// Who asked for it.
    pub principal: Principal,
    /// What the agent is told.
    pub prompt: String,
    /// The folder it belongs to: absolute, symlinks resolved.
    pub workspace: PathBuf,
    /// The folder in which the agent starts: the workspace or one below a permitted root.
    pub working_directory: PathBuf,
    /// How to work.
    pub options: TaskOptions,
    /// Which conversation.
    pub session: SessionChoice,
    /// When to work.
    pub schedule: Schedule,
    /// What to do when something goes wrong.
    pub policy: Policy,
    /// What it is filed under.
    #[serde(default)]
    pub labels: Labels,
    /// What its caller wrote down beside it: a JSON object.
    #[serde(default)]
    pub metadata: Option<String>,
    /// The request that submitted it, as a W3C `traceparent`; `None` when it was not traced.
    #[serde(default)]
    pub trace_parent: Option<String>,
}

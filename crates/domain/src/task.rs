//! What was asked for.

use std::path::PathBuf;
use std::time::Duration;

use crate::{PermissionMode, SessionId, TaskId};

/// A digest of a submission as the client sent it: tells a safe retry from another task under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Which conversation a task belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChoice {
    /// A new one, named after the task.
    New,
    /// One that exists.
    Reuse(SessionId),
}

/// How the agent is to work.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// One admitted request for work, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSpec {
    /// Its id.
    pub task_id: TaskId,
    /// Digest of the request as sent.
    pub fingerprint: Fingerprint,
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
}

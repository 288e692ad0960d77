//! Bodies of the task endpoints.

use domain::{Outcome, PermissionMode, Progress, SessionId, TaskId, TaskStatus, Timestamp};
use serde::Serialize;

/// Body of `POST /api/v1/tasks`, checked for its shape. `None` stands for "left out": the server's default holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskRequest {
    /// The client's name for the task.
    pub task_id: Option<String>,
    /// What the agent is told.
    pub prompt: String,
    /// The folder that the task belongs to.
    pub workspace: String,
    /// How the agent is to work.
    pub options: OptionsRequest,
    /// Which conversation the task belongs to.
    pub session: SessionRequest,
}

/// `options` of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct OptionsRequest {
    /// Tools or rules that run without asking.
    pub allowed_tools: Option<Vec<String>>,
    /// What happens with the rest.
    pub permission_mode: Option<PermissionMode>,
    /// Most model answers.
    pub max_turns: Option<u32>,
    /// Longest time that an agent may work on it, in seconds.
    pub timeout: Option<u64>,
    /// Model name or alias.
    pub model: Option<String>,
    /// Folder to start in, instead of the workspace.
    pub cwd: Option<String>,
}

/// `session` of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SessionRequest {
    /// Whether to go on with an existing session.
    pub reuse_existing: bool,
    /// That session.
    pub session_id: Option<String>,
}

/// Answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskResponse {
    /// The task.
    pub task_id: TaskId,
    /// Its conversation.
    pub session_id: SessionId,
    /// `pending` or later.
    pub status: TaskStatus,
    /// Where its events are to be had.
    pub websocket_url: String,
    /// When it was admitted.
    pub created_at: Timestamp,
}

/// The counters of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProgressBody {
    /// Model answers so far.
    pub turns: u64,
    /// All tokens.
    pub tokens_used: u64,
    /// Input tokens, those from and to the prompt cache included.
    pub tokens_input: u64,
    /// Output tokens.
    pub tokens_output: u64,
    /// Of the input: read from the prompt cache.
    pub tokens_cache_read: u64,
    /// Of the input: written to the prompt cache.
    pub tokens_cache_creation: u64,
    /// Distinct files really changed.
    pub files_modified: u64,
    /// Time since an agent took the task, in milliseconds.
    pub elapsed_time_ms: u64,
}

impl From<Progress> for ProgressBody {
    fn from(progress: Progress) -> Self {
        let Progress { turns, tokens, files_modified, elapsed_ms } = progress;
        Self {
            turns,
            tokens_used: tokens.total(),
            tokens_input: tokens.total_input(),
            tokens_output: tokens.output,
            tokens_cache_read: tokens.cache_read,
            tokens_cache_creation: tokens.cache_creation,
            files_modified,
            elapsed_time_ms: elapsed_ms,
        }
    }
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultBody {
    /// 0 completed, 1 failed, 124 timed out, 130 interrupted.
    pub exit_code: i32,
    /// The agent's final text.
    pub summary: String,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Cost in US dollars.
    pub total_cost_usd: f64,
}

impl From<&Outcome> for ResultBody {
    fn from(outcome: &Outcome) -> Self {
        Self {
            exit_code: outcome.ending.exit_code(),
            summary: outcome.summary.clone(),
            errors: outcome.errors.clone(),
            total_cost_usd: outcome.total_cost_usd,
        }
    }
}

/// Answer to `GET /api/v1/tasks/{task_id}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskStatusResponse {
    /// The task.
    pub task_id: TaskId,
    /// Its conversation.
    pub session_id: SessionId,
    /// Where it is.
    pub status: TaskStatus,
    /// How far it got.
    pub progress: ProgressBody,
    /// How it ended; null until then.
    pub result: Option<ResultBody>,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Answer to an interrupt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterruptResponse {
    /// The task.
    pub task_id: TaskId,
    /// `interrupted`; `running` when the agent could not be ended within the time of the request.
    pub status: TaskStatus,
    /// When the stop was recorded.
    pub interrupted_at: Timestamp,
}

//! Answers of the task endpoints.

use domain::{Labels, Outcome, Principal, Priority, Progress, SessionId, TaskId, TaskStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Problem, QuestionBody, TaskRequest};

/// Answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Its place in the queue, from 1; null when it does not wait.
    pub queue_position: Option<u64>,
    /// When it may start, as far as can be told; null when that is not known, or it does not wait.
    pub estimated_start_at: Option<Timestamp>,
}

/// The counters of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ResultBody {
    /// 0 completed, 1 failed, 124 timed out, 130 interrupted.
    pub exit_code: i32,
    /// The agent's final text.
    pub summary: String,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Cost in US dollars.
    pub total_cost_usd: f64,
    /// The answer that follows `options.output_schema`; null without one.
    #[schema(value_type = Option<Object>)]
    pub structured_output: Option<Box<RawValue>>,
}

impl From<&Outcome> for ResultBody {
    fn from(outcome: &Outcome) -> Self {
        Self {
            exit_code: outcome.ending.exit_code(),
            summary: outcome.summary.clone(),
            errors: outcome.errors.clone(),
            total_cost_usd: outcome.total_cost_usd,
            structured_output: None,
        }
    }
}

/// Answer to `GET /api/v1/tasks/{task_id}` and `GET /api/v1/tasks/{task_id}/result`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
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
    /// Number of the attempt at work; 0 before the first.
    pub attempt: u32,
    /// How urgent it is.
    pub priority: Priority,
    /// Its place in the queue, from 1; null when it does not wait.
    pub queue_position: Option<u64>,
    /// When it may start, or go on, as far as can be told; null when that is not known, or it does not wait.
    pub estimated_start_at: Option<Timestamp>,
    /// Why it waits, although it has begun; null otherwise.
    pub waiting: Option<WaitingBody>,
    /// What it waits for the answer to; null otherwise.
    pub question: Option<QuestionBody>,
    /// The tasks that have to complete first.
    pub depends_on: Vec<TaskId>,
    /// Whose it is.
    pub principal: Principal,
    /// The folder that it belongs to.
    pub workspace: String,
    /// When an agent first took it; null until then.
    pub started_at: Option<Timestamp>,
    /// What it is filed under.
    pub labels: Labels,
    /// What its caller wrote down beside it; null when nothing.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
}

/// Answer to `GET /api/v1/tasks`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    /// The tasks, in order. There may be fewer than asked for, or none, although more follow.
    pub tasks: Vec<TaskStatusResponse>,
    /// What to give as `cursor` to read on; null at the end.
    pub next_cursor: Option<String>,
}

/// Body of `PATCH /api/v1/tasks/{task_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaskChange {
    /// How urgent it is to be, from -100 to 100.
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i8,
}

/// Body of `POST /api/v1/tasks/{task_id}/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageRequest {
    /// What the agent is told.
    #[schema(min_length = 1, pattern = "\\S", example = "Use tabs, please")]
    pub text: String,
    /// Its id. Whoever got no answer says it again with the same id: a message that the task has already is not told twice.
    /// A new id unless given.
    pub message_id: Option<Uuid>,
}

/// Answer to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageReceipt {
    /// The task.
    pub task_id: TaskId,
    /// The message: its event has this in `data.data.message_id`.
    pub message_id: Uuid,
}

/// Body of `POST /api/v1/tasks/batch`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchRequest {
    /// The submissions, at most 100.
    #[schema(min_items = 1, max_items = 100)]
    pub tasks: Vec<TaskRequest>,
}

/// What became of one submission of a batch: a task, or a problem.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchResult {
    /// The HTTP status that it would have had alone.
    pub status: u16,
    /// The task; null when it was refused.
    pub task: Option<TaskResponse>,
    /// Why it was refused; null when it was not.
    pub problem: Option<Problem>,
}

/// Answer to `POST /api/v1/tasks/batch`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BatchResponse {
    /// What became of each submission, in their order.
    pub results: Vec<BatchResult>,
}

/// Why a task that has begun waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitingReason {
    /// The model API takes no requests for a while.
    RateLimit,
    /// An attempt failed, and another one follows.
    Retry,
    /// The attempt was cut off: the server stopped, or the agent made no progress.
    CutOff,
    /// The agent has asked something that a person is to answer.
    Answer,
}

/// A task that has begun and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingBody {
    /// Why.
    pub reason: WaitingReason,
    /// Not before then.
    pub until: Timestamp,
}

/// Answer to an interrupt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InterruptResponse {
    /// The task.
    pub task_id: TaskId,
    /// `interrupted`; `running` when the agent could not be ended within the time of the request.
    pub status: TaskStatus,
    /// When the stop was recorded.
    pub interrupted_at: Timestamp,
}

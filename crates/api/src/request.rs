//! Body of `POST /api/v1/tasks`, checked for its shape. What is left out or null is `None`: the server's default holds.
//!
//! The digest of a request is made from its JSON here. Fields that were added later are left out of it when a request
//! does not have them, so that such a request keeps its digest.

use std::collections::BTreeSet;

use domain::{
    Effort, InstanceLabel, Labels, OnQuestion, OnRestart, OnStall, PermissionMode, TaskId, Timestamp,
    WhenBusy,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A submission. The default one asks for nothing: it has neither prompt nor workspace.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct TaskRequest {
    /// The client's name for the task.
    #[schema(
        pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$",
        min_length = 1,
        max_length = 128,
        example = "build-42"
    )]
    pub task_id: Option<String>,
    /// What the agent is told.
    #[schema(min_length = 1, pattern = "\\S", example = "Create hello.py that prints a greeting and run it")]
    pub prompt: String,
    /// The folder that the task belongs to.
    #[schema(pattern = "^/", example = "/workspaces/demo")]
    pub workspace: String,
    /// How the agent is to work.
    #[schema(value_type = Option<OptionsRequest>)]
    pub options: OptionsRequest,
    /// Which conversation the task belongs to.
    #[schema(value_type = Option<SessionRequest>)]
    pub session: SessionRequest,
    /// How urgent it is, from -100 to 100; 0 when left out. A task of a higher priority goes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -100, maximum = 100)]
    pub priority: Option<i8>,
    /// Not before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// Not before so many seconds have passed since the admission; not together with `start_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2_592_000)]
    pub delay_seconds: Option<u64>,
    /// Not before these tasks have completed, at most 100. It fails when one of them does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<TaskId>>, max_items = 100)]
    pub depends_on: Vec<TaskId>,
    /// Labels that its server has to have, at most 16: where several servers share a storage, it waits for one that has them all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Option<Vec<InstanceLabel>>, max_items = 16)]
    pub runs_on: BTreeSet<InstanceLabel>,
    /// How often it is tried.
    #[serde(skip_serializing_if = "is_default")]
    #[schema(value_type = Option<RetryRequest>)]
    pub retry: RetryRequest,
    /// What it is filed under, to be found by: at most 32 texts of at most 256 bytes, by keys of letters, digits and
    /// `. _ / -`.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>, example = json!({"team": "platform"}))]
    pub labels: Labels,
    /// Anything that the caller wants to find with it again: an object of at most 16 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// `options` of a task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct OptionsRequest {
    /// Tools or rules that run without asking.
    pub allowed_tools: Option<Vec<String>>,
    /// What happens with the rest.
    pub permission_mode: Option<PermissionMode>,
    /// Most model answers.
    #[schema(minimum = 1, maximum = 100_000)]
    pub max_turns: Option<u32>,
    /// Longest time that an agent may work on it, in seconds.
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub timeout: Option<u64>,
    /// Model name or alias.
    #[schema(min_length = 1, max_length = 256)]
    pub model: Option<String>,
    /// Folder to start in, instead of the workspace.
    pub cwd: Option<String>,
    /// Most that it may cost, in US dollars, all attempts together; more than 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(exclusive_minimum = 0)]
    pub max_budget_usd: Option<f64>,
    /// How long background tasks may go on after the turn that began them, in seconds; 0 ends them with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 2_592_000)]
    pub background_timeout: Option<u64>,
    /// What becomes of it when the server dies: `interrupt` ends it, `resume` carries its conversation on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_restart: Option<OnRestart>,
    /// What is done when its agent makes no progress: `report`, `fail` or `resume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_stall: Option<OnStall>,
    /// What becomes of a tool call that is not allowed: `refuse`, or `ask`: then the task waits for an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_question: Option<OnQuestion>,
    /// How long a question waits for its answer, in seconds; then it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub answer_within: Option<u64>,
    /// Instead of the agent's own system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65_536)]
    pub system_prompt: Option<String>,
    /// After the system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65_536)]
    pub append_system_prompt: Option<String>,
    /// The built-in tools that exist for the agent; all of them when left out, none when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Tools that do not exist for the agent, or rules of calls that are denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_tools: Option<Vec<String>>,
    /// A model to go on with when the first is overloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub fallback_model: Option<String>,
    /// How hard it thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Most tokens that it may think before an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1_024, maximum = 200_000)]
    pub max_thinking_tokens: Option<u32>,
    /// More folders to work in, under the permitted ones; at most 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub add_dirs: Option<Vec<String>>,
    /// Sub-agents by name: `{"reviewer": {"description", "prompt", "tools", "model"}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub agents: Option<Map<String, Value>>,
    /// MCP servers by name, as in `.mcp.json`. Refused unless the operator allows it: those of the type stdio are programs
    /// that run as the server's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub mcp_servers: Option<Map<String, Value>>,
    /// A JSON schema of the type object. The agent's answer follows it, and comes as `result.structured_output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}}))]
    pub output_schema: Option<Map<String, Value>>,
}

/// `session` of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct SessionRequest {
    /// Whether to go on with an existing session: the one that `session_id` names. Without one, a new session begins.
    #[schema(value_type = Option<bool>)]
    pub reuse_existing: bool,
    /// That session, or the one to copy.
    pub session_id: Option<String>,
    /// With `reuse_existing`, what happens while something runs or waits in the session: `enqueue` lets the task wait,
    /// `reject` answers 409, `interrupt` stops what is there, `fork` copies the conversation into a new session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_busy: Option<WhenBusy>,
    /// Whether to begin a new session with a copy of the session's conversation; not together with `reuse_existing`.
    #[serde(skip_serializing_if = "is_default")]
    #[schema(value_type = Option<bool>)]
    pub fork: bool,
}

/// `retry` of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct RetryRequest {
    /// Most attempts, from 1 to 10. Attempts after a rate limit do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10)]
    pub max_attempts: Option<u32>,
    /// Whether it is tried again although tools were used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_side_effects: Option<bool>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

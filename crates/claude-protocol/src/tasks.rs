//! Work besides the turn: sub-agents, background commands, and commands of the turn that run longer than 3 seconds
//! (protocol sections 6 and 10.1).

use std::path::PathBuf;

use serde::Deserialize;

use crate::lenient::{Lenient, message};

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Not started.
    Pending,
    /// Runs.
    Running,
    /// Ended by itself.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Was stopped, by an interrupt too.
    Stopped,
    /// Was killed.
    Killed,
    /// None was given, or one that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Lenient for TaskStatus {
    fn read(raw: &serde_json::value::RawValue) -> Self {
        serde_json::from_str(raw.get()).unwrap_or_default()
    }
}

message! {
    /// A task started.
    pub struct TaskStarted {
        /// The task.
        pub task_id: String,
        /// The tool call that started it.
        pub tool_use_id: Option<String>,
        /// `local_bash`, `local_agent`, ...
        pub task_type: String,
        /// What it is for, in the model's words.
        pub description: String,
        /// Whether the turn goes on without it.
        pub is_backgrounded: bool,
        /// The kind of the sub-agent, of an agent.
        pub subagent_type: Option<String>,
        /// What the sub-agent was told.
        pub prompt: Option<String>,
        /// How many agents deep it was started; 1 by the main agent.
        pub spawn_depth: Option<u32>,
        /// Whether a sub-agent started it.
        pub owned_by_subagent: bool,
        /// That sub-agent's task.
        pub parent_task_id: Option<String>,
    }

    /// A sub-agent goes on.
    pub struct TaskProgress {
        /// The task.
        pub task_id: String,
        /// The tool call that started it.
        pub tool_use_id: Option<String>,
        /// What it does now.
        pub description: String,
        /// The kind of the sub-agent.
        pub subagent_type: Option<String>,
        /// The tool that it used last.
        pub last_tool_name: Option<String>,
        /// What it has used so far.
        pub usage: TaskUsage,
    }

    /// Something about a task changed.
    pub struct TaskUpdated {
        /// The task.
        pub task_id: String,
        /// What changed.
        pub patch: TaskPatch,
    }

    /// What changed about a task; the rest is left out.
    pub struct TaskPatch {
        /// How it stands now.
        pub status: Option<TaskStatus>,
        /// When it ended, in milliseconds since 1970.
        pub end_time: Option<u64>,
        /// Whether the turn goes on without it now.
        pub is_backgrounded: Option<bool>,
        /// Why it failed.
        pub error: Option<String>,
    }

    /// A task ended. The model is told in a turn of its own.
    pub struct TaskNotification {
        /// The task.
        pub task_id: String,
        /// The tool call that started it.
        pub tool_use_id: Option<String>,
        /// How it ended.
        pub status: TaskStatus,
        /// The file that holds its output.
        pub output_file: Option<PathBuf>,
        /// One line about the end, or an agent's answer.
        pub summary: String,
        /// Whether `summary` is the sub-agent's own answer.
        pub summary_is_report: bool,
        /// What the sub-agent used.
        pub usage: Option<TaskUsage>,
    }

    /// What a sub-agent used.
    pub struct TaskUsage {
        /// Tokens of all kinds.
        pub total_tokens: u64,
        /// Tool calls.
        pub tool_uses: u64,
        /// Time since its start, in milliseconds.
        pub duration_ms: u64,
    }

    /// A task that runs besides the turn.
    pub struct BackgroundTask {
        /// The task.
        pub task_id: String,
        /// `local_bash`, `local_agent`, ...
        pub task_type: String,
        /// What it is for, in the model's words.
        pub description: String,
    }
}

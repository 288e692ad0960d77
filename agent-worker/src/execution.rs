//! Who runs the task, and what comes of it.

pub(crate) mod cli;
pub(crate) mod server;

use domain::PermissionMode;

use crate::arguments::Arguments;
use crate::summary::{COMPLETED, FAILED, TokenUsage};

/// How the agent is to work; what is left out is decided by the server, or is as its defaults are.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentOptions {
    pub(crate) model: Option<String>,
    pub(crate) max_turns: Option<u32>,
    pub(crate) allowed_tools: Option<Vec<String>>,
    pub(crate) permission_mode: Option<PermissionMode>,
}

impl AgentOptions {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        Self {
            model: arguments.model.clone(),
            max_turns: arguments.max_turns,
            allowed_tools: arguments.allowed_tools.clone(),
            permission_mode: arguments.permission_mode,
        }
    }
}

/// What came of a task that was begun.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Execution {
    pub(crate) exit_code: u8,
    pub(crate) tokens: TokenUsage,
    pub(crate) total_cost_usd: f64,
    /// The agent's final text.
    pub(crate) summary: String,
    pub(crate) errors: Vec<String>,
    pub(crate) task_id: Option<String>,
    pub(crate) session_id: Option<String>,
}

impl Execution {
    /// Notes a fault of what came of it: whoever goes by the exit code must not take it for done.
    pub(crate) fn fails(&mut self, error: String) {
        self.errors.push(error);
        if self.exit_code == COMPLETED {
            self.exit_code = FAILED;
        }
    }
}

/// Why a task was not begun, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotBegun(pub(crate) String);

//! More of how an agent is to work, as a caller of the CLI's SDK knows it. JSON stays text here: it was checked when the task
//! was submitted.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The options that few tasks need. The default leaves everything as the CLI has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentOptions {
    /// Instead of the CLI's own system prompt.
    pub system_prompt: Option<String>,
    /// After the system prompt.
    pub append_system_prompt: Option<String>,
    /// The built-in tools that exist for the agent; `None` for all of them.
    pub tools: Option<Vec<String>>,
    /// Tools that do not exist for it, or rules of calls that are denied.
    pub disallowed_tools: Vec<String>,
    /// A model to go on with when the first is overloaded.
    pub fallback_model: Option<String>,
    /// How hard it thinks.
    pub effort: Option<Effort>,
    /// Most tokens that it may think before an answer.
    pub max_thinking_tokens: Option<u32>,
    /// More folders to work in: absolute, symlinks resolved.
    pub add_dirs: Vec<PathBuf>,
    /// Sub-agents by name: a JSON object.
    pub agents: Option<String>,
    /// MCP servers by name: a JSON object.
    pub mcp_servers: Option<String>,
    /// JSON schema of the answer.
    pub output_schema: Option<String>,
}

/// How hard an agent thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
    /// As much as it can.
    Max,
}

impl Effort {
    /// The CLI's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Max => "max",
        }
    }
}

//! How the session is set up and what becomes of its requests to the model (protocol sections 6, 6.1 and 11.1).

use std::path::PathBuf;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::lenient::message;

message! {
    /// How the session is set up; comes at the start of every turn.
    pub struct Init {
        /// The conversation. It changes with `/clear`.
        pub session_id: Option<Uuid>,
        /// Working directory.
        pub cwd: PathBuf,
        /// Working directory at the start of the process.
        pub original_cwd: Option<PathBuf>,
        /// More directories that the tools may touch.
        pub additional_directories: Vec<PathBuf>,
        /// The model that answers.
        pub model: String,
        /// `default`, `acceptEdits`, `plan`, `bypassPermissions`, ...
        #[serde(rename = "permissionMode")]
        pub permission_mode: String,
        /// Tools that the model is offered.
        pub tools: Vec<String>,
        /// MCP servers.
        pub mcp_servers: Vec<McpServer>,
        /// Commands that a prompt can name, without the slash.
        pub slash_commands: Vec<String>,
        /// Kinds of sub-agents.
        pub agents: Vec<String>,
        /// Skills.
        pub skills: Vec<String>,
        /// Plugins.
        pub plugins: Vec<Plugin>,
        /// What this CLI can do, in its words.
        pub capabilities: Vec<String>,
        /// The CLI's version.
        pub claude_code_version: String,
        /// Where the API key comes from: `ANTHROPIC_API_KEY`, `none`, ...
        #[serde(rename = "apiKeySource")]
        pub api_key_source: String,
        /// How answers are worded.
        pub output_style: String,
        /// Prompts that start this turn; empty for those sent without a uuid.
        pub user_message_uuids: Vec<Uuid>,
    }

    /// An MCP server.
    pub struct McpServer {
        /// Its name.
        pub name: String,
        /// `connected`, `failed`, `pending`, `needs-auth`, ...
        pub status: String,
        /// What declared it.
        pub source: Option<String>,
    }

    /// A plugin.
    pub struct Plugin {
        /// Its name.
        pub name: String,
        /// Its directory, or `builtin`.
        pub path: String,
        /// Where it comes from.
        pub source: Option<String>,
    }

    /// What the CLI does, or that the permission mode changed.
    pub struct Status {
        /// `requesting` (before a request to the model, with partial messages), `compacting`, or nothing any more.
        pub status: Option<String>,
        /// The permission mode from now on.
        #[serde(rename = "permissionMode")]
        pub permission_mode: Option<String>,
        /// How compaction ended: `success` or `failed`.
        pub compact_result: Option<String>,
        /// Why compaction failed.
        pub compact_error: Option<String>,
    }

    /// A call of the model failed and will be repeated.
    pub struct ApiRetry {
        /// Which repetition comes now, from 1.
        pub attempt: u32,
        /// How many there will be at most.
        pub max_retries: u32,
        /// How long the CLI waits before it, in milliseconds.
        pub retry_delay_ms: f64,
        /// HTTP status of the failure; `None` when there was no answer.
        pub error_status: Option<u16>,
        /// The API's word for it.
        pub error: Option<String>,
    }

    /// Another model answers from now on.
    pub struct ModelFallback {
        /// Why: `overloaded`, ...
        pub trigger: String,
        /// The model that was asked for.
        pub original_model: String,
        /// The model that answers.
        pub fallback_model: Option<String>,
        /// The same as a sentence.
        pub content: String,
    }

    /// The model refused to answer. Never recorded: the fields are from the public types of the Agent SDK.
    pub struct ModelRefusal {
        /// The model that refused.
        pub original_model: String,
        /// The model that answers instead; `None` when none does.
        pub fallback_model: Option<String>,
        /// The same as a sentence.
        pub content: String,
        /// Messages that no longer count.
        pub retracted_message_uuids: Vec<Uuid>,
    }

    /// The conversation was shortened; the model knows a summary of what was before.
    pub struct CompactBoundary {
        /// How.
        pub compact_metadata: CompactMetadata,
    }

    /// How a conversation was shortened.
    pub struct CompactMetadata {
        /// `manual` or `auto`.
        pub trigger: String,
        /// Tokens before.
        pub pre_tokens: u64,
        /// Tokens after.
        pub post_tokens: Option<u64>,
        /// How long it took, in milliseconds.
        pub duration_ms: Option<u64>,
        /// Which messages were kept word for word.
        pub preserved_messages: Option<Box<RawValue>>,
    }

    /// How much the model has thought so far in this answer.
    pub struct ThinkingTokens {
        /// Tokens, estimated.
        pub estimated_tokens: u64,
        /// Tokens since the last such line.
        pub estimated_tokens_delta: u64,
    }

    /// A tool call was denied without asking us.
    pub struct PermissionDenied {
        /// The tool.
        pub tool_name: String,
        /// The call.
        pub tool_use_id: String,
        /// The sub-agent that made the call.
        pub agent_id: Option<String>,
        /// What denied it: `rule`, `mode`, `subcommandResults`, `asyncAgent`, ...
        pub decision_reason_type: Option<String>,
        /// Why, in words.
        pub decision_reason: Option<String>,
        /// What the model reads.
        pub message: String,
    }
}

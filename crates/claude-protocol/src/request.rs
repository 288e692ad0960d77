//! Our requests to the CLI (protocol section 8). It answers each within a few milliseconds, also during a turn.

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Initialize;

/// How much a context report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// What the CLI knows.
    Summary,
    /// Counted by the API, which costs a request.
    Full,
}

/// What binds a waiting process to a folder (section 13.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ClaimSession {
    /// The working directory.
    pub cwd: String,
    /// The permission mode from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// More folders to work in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_directories: Vec<String>,
    /// Instead of Claude Code's own system prompt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system_prompt: Vec<String>,
    /// After the system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
    /// The conversation's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A request of ours.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub enum HostRequest {
    /// Opens the conversation.
    Initialize(Box<Initialize>),
    /// Ends the running turn. The answer comes before that turn's result.
    Interrupt {
        /// Whether prompts that wait are dropped too.
        cancel_queued: bool,
    },
    /// Changes the permission mode.
    SetPermissionMode {
        /// The CLI's word for it.
        mode: String,
    },
    /// Changes the model; `None` for the default. The name is not checked.
    SetModel {
        /// Name or alias.
        model: Option<String>,
    },
    /// Changes how much the model may think.
    SetMaxThinkingTokens {
        /// The limit; `None` for the model's own.
        max_thinking_tokens: Option<u32>,
    },
    /// Changes settings at run time; null clears a key.
    ApplyFlagSettings {
        /// The settings.
        settings: Map<String, Value>,
    },
    /// The state of the MCP servers and their tools.
    McpStatus,
    /// Replaces the MCP servers, those of ours included.
    McpSetServers {
        /// Servers by name.
        servers: Map<String, Value>,
    },
    /// Connects a server again.
    McpReconnect {
        /// Which.
        #[serde(rename = "serverName")]
        server_name: String,
    },
    /// Turns a server on or off.
    McpToggle {
        /// Which.
        #[serde(rename = "serverName")]
        server_name: String,
        /// On or off.
        enabled: bool,
    },
    /// A message of an MCP server that we are ourselves, such as a notification.
    McpMessage {
        /// Which server.
        server_name: String,
        /// JSON-RPC.
        message: Value,
    },
    /// How full the context is.
    GetContextUsage {
        /// How much to say.
        detail: Detail,
    },
    /// What the conversation has cost. Cheap: a sign of life.
    GetSessionCost,
    /// What git says has changed in the workspace.
    GetWorkspaceDiff,
    /// The output so far of a running command (at least 3 s old) or background task.
    GetTaskOutput {
        /// The task, from `task_started`.
        task_id: String,
    },
    /// Takes back what `Write` and `Edit` did since a prompt of ours. Needs file checkpoints (section 12.7).
    RewindFiles {
        /// The prompt.
        user_message_id: Uuid,
        /// Only tells what it would do.
        dry_run: bool,
    },
    /// Ends a background task.
    StopTask {
        /// Which, from `task_started`.
        task_id: String,
    },
    /// Moves running commands or sub-agents to the background.
    BackgroundTasks {
        /// The call; all when left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_use_id: Option<String>,
    },
    /// Takes back a prompt that waits.
    CancelAsyncMessage {
        /// Its uuid.
        message_uuid: Uuid,
    },
    /// Binds a waiting process to a folder.
    ClaimSession(ClaimSession),
    /// Changes the working directory. Asks for trust first (section 13.3).
    SetCwd {
        /// The folder.
        path: String,
        /// Whether it may be trusted.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        trust_accepted: bool,
        /// The folder that may be trusted, as the CLI named it.
        #[serde(skip_serializing_if = "Option::is_none")]
        trusted_directory: Option<String>,
    },
    /// Ends the process, a running turn with it.
    EndSession,
}

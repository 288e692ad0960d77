//! Messages with a type of their own that tell about the session (protocol section 6). What the section marks `[S]` was
//! never recorded: those fields are from the public types of the Agent SDK.

use std::path::PathBuf;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::lenient::message;

message! {
    /// The conversation was emptied by `/clear`: what follows has another session id (section 12.5).
    pub struct ConversationReset {
        /// The session from now on.
        pub new_conversation_id: Option<Uuid>,
        /// `clear`.
        pub trigger: String,
        /// The session until now.
        pub session_id: Option<Uuid>,
        /// The prompt that did it.
        pub user_message_uuid: Option<Uuid>,
    }

    /// A tool still runs; comes every 30 seconds.
    pub struct ToolProgress {
        /// Names this heartbeat. The running call is `parent_tool_use_id`.
        pub tool_use_id: String,
        /// The running call. Only here: elsewhere this field names the call that started a sub-agent.
        pub parent_tool_use_id: Option<String>,
        /// The tool.
        pub tool_name: String,
        /// How long it has run, in seconds.
        pub elapsed_time_seconds: f64,
        /// The background task that runs it.
        pub task_id: Option<String>,
    }

    /// Lines that the CLI has just written to a transcript, with `--session-mirror` (section 12.6).
    pub struct TranscriptMirror {
        /// The transcript.
        #[serde(rename = "filePath")]
        pub file_path: PathBuf,
        /// The lines.
        pub entries: Vec<Box<RawValue>>,
    }

    /// The limits of a claude.ai subscription.
    pub struct RateLimit {
        /// `allowed`, `allowed_warning` or `rejected`.
        pub status: String,
        /// When the limit starts over, in seconds since 1970.
        #[serde(rename = "resetsAt")]
        pub resets_at: Option<f64>,
        /// Which limit: `five_hour`, `seven_day`, ...
        #[serde(rename = "rateLimitType")]
        pub rate_limit_type: Option<String>,
        /// How much of it is used, from 0 to 1.
        pub utilization: Option<f64>,
    }

    /// A login goes on.
    pub struct AuthStatus {
        /// Whether it still runs.
        #[serde(rename = "isAuthenticating")]
        pub is_authenticating: bool,
        /// What it says.
        pub output: Vec<String>,
        /// Why it failed.
        pub error: Option<String>,
    }

    /// What the user may want to say next.
    pub struct PromptSuggestion {
        /// The prompt.
        pub suggestion: String,
    }

    /// What the last tool calls did, in a line.
    pub struct ToolUseSummary {
        /// The line.
        pub summary: String,
        /// The calls.
        pub preceding_tool_use_ids: Vec<String>,
    }

    /// The line that carries a [`RateLimit`].
    pub struct RateLimitEvent {
        /// The limits.
        pub rate_limit_info: RateLimit,
    }
}

//! What the model and its tools said: `assistant` and `user` lines (protocol sections 6.2 and 6.3).

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::content::{Any, Content, Known};
use crate::lenient::{lenient, message};
use crate::one_pass::{if_any, raw, value};
use crate::{Block, WireUsage};

/// One finished block of a model's answer; the CLI sends one line a block.
#[derive(Debug)]
pub struct AssistantMessage {
    /// Id of the model's answer: the same for all its blocks.
    pub message_id: String,
    /// The model that answered; `<synthetic>` for text that the CLI made itself.
    pub model: String,
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// Token counts when the answer started.
    pub usage: Option<WireUsage>,
    /// The tool call of the sub-agent that said this.
    pub parent_tool_use_id: Option<String>,
    /// Set when this text stands for a failure of the API (`authentication_failed`, `rate_limit`, ...).
    pub error: Option<String>,
    /// HTTP status of that failure; `None` when there was no answer.
    pub api_error_status: Option<u16>,
    /// This line.
    pub uuid: Option<Uuid>,
    /// The conversation.
    pub session_id: Option<Uuid>,
    /// Cut off by an interrupt.
    pub aborted: bool,
    /// Prompts that this turn answers; only in its first line, and only those that were sent with a uuid.
    pub user_message_uuids: Vec<Uuid>,
    /// The sub-agent that said this.
    pub agent_id: Option<String>,
    /// Its kind.
    pub subagent_type: Option<String>,
}

/// Tool results, markers and other text that goes to the model.
#[derive(Debug)]
pub struct UserMessage {
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// The tool's structured output (section 6.3); a text on failure.
    pub tool_use_result: Option<Box<RawValue>>,
    /// The tool call of the sub-agent that this went to.
    pub parent_tool_use_id: Option<String>,
    /// An echo of a prompt that we sent.
    pub is_replay: bool,
    /// Made by the CLI: a stop hook's reason, a summary after compaction, ...
    pub is_synthetic: bool,
    /// This line; the prompt, when it is an echo.
    pub uuid: Option<Uuid>,
    /// The conversation.
    pub session_id: Option<Uuid>,
    /// When, in RFC 3339.
    pub timestamp: Option<String>,
    /// What became of the calls that the blocks answer.
    pub tool_result_meta: Vec<ToolResultMeta>,
    /// The sub-agent that this went to.
    pub agent_id: Option<String>,
    /// Its kind.
    pub subagent_type: Option<String>,
}

message! {
    /// What became of a tool call before it ran.
    pub struct ToolResultMeta {
        /// The call.
        pub id: String,
        /// Why it did not run: `permission-rule`, `user-rejected`, ...; `None` when it ran.
        pub non_execution_kind: Option<String>,
        /// Who allowed or denied it.
        pub permission_decision: Option<CallPermission>,
    }

    /// Who allowed or denied a tool call.
    pub struct CallPermission {
        /// `accept` or `reject`.
        pub decision: String,
        /// `config`, `hook`, `user_temporary`, `user_reject`, ...
        pub source: String,
        /// What decided it: `rule`, `mode`, `hook`, `subcommandResults`, ...
        pub reason_type: Option<String>,
    }
}

#[derive(Deserialize)]
struct AssistantLine<C> {
    message: AssistantLineMessage<C>,
    #[serde(default, deserialize_with = "if_any")]
    parent_tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "if_any")]
    error: Option<String>,
    #[serde(default, deserialize_with = "if_any")]
    api_error_status: Option<u16>,
    #[serde(default, deserialize_with = "if_any")]
    uuid: Option<Uuid>,
    #[serde(default, deserialize_with = "if_any")]
    session_id: Option<Uuid>,
    #[serde(default, deserialize_with = "value")]
    aborted: bool,
    #[serde(default, deserialize_with = "lenient")]
    user_message_uuids: Vec<Uuid>,
    #[serde(default, deserialize_with = "if_any")]
    agent_id: Option<String>,
    #[serde(default, deserialize_with = "if_any")]
    subagent_type: Option<String>,
}

#[derive(Deserialize)]
struct AssistantLineMessage<C> {
    #[serde(default, deserialize_with = "value")]
    id: String,
    #[serde(default, deserialize_with = "value")]
    model: String,
    content: C,
    #[serde(default, deserialize_with = "if_any")]
    usage: Option<WireUsage>,
}

impl AssistantMessage {
    /// In one pass, as nearly every line can be read, or else in several.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        // Texts are not checked one by one when the line has been.
        let known = std::str::from_utf8(line).ok().and_then(|line| serde_json::from_str(line).ok());
        let known = known.and_then(Self::of::<Known>);
        known.or_else(|| Self::of::<Any<'_>>(serde_json::from_slice(line).ok()?))
    }

    fn of<'a, C: Content<'a>>(line: AssistantLine<C>) -> Option<Self> {
        Some(Self {
            blocks: line.message.content.blocks()?,
            message_id: line.message.id,
            model: line.message.model,
            usage: line.message.usage,
            parent_tool_use_id: line.parent_tool_use_id,
            error: line.error,
            api_error_status: line.api_error_status,
            uuid: line.uuid,
            session_id: line.session_id,
            aborted: line.aborted,
            user_message_uuids: line.user_message_uuids,
            agent_id: line.agent_id,
            subagent_type: line.subagent_type,
        })
    }
}

#[derive(Deserialize)]
struct UserLine<C> {
    message: UserLineMessage<C>,
    #[serde(default, deserialize_with = "raw")]
    tool_use_result: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "if_any")]
    parent_tool_use_id: Option<String>,
    #[serde(rename = "isReplay", default, deserialize_with = "value")]
    is_replay: bool,
    #[serde(rename = "isSynthetic", default, deserialize_with = "value")]
    is_synthetic: bool,
    #[serde(default, deserialize_with = "if_any")]
    uuid: Option<Uuid>,
    #[serde(default, deserialize_with = "if_any")]
    session_id: Option<Uuid>,
    #[serde(default, deserialize_with = "if_any")]
    timestamp: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    tool_result_meta: Vec<ToolResultMeta>,
    #[serde(default, deserialize_with = "if_any")]
    agent_id: Option<String>,
    #[serde(default, deserialize_with = "if_any")]
    subagent_type: Option<String>,
}

#[derive(Deserialize)]
struct UserLineMessage<C> {
    content: C,
}

impl UserMessage {
    /// In one pass, as nearly every line can be read, or else in several.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        // Texts are not checked one by one when the line has been.
        let known = std::str::from_utf8(line).ok().and_then(|line| serde_json::from_str(line).ok());
        let known = known.and_then(Self::of::<Known>);
        known.or_else(|| Self::of::<Any<'_>>(serde_json::from_slice(line).ok()?))
    }

    fn of<'a, C: Content<'a>>(line: UserLine<C>) -> Option<Self> {
        Some(Self {
            blocks: line.message.content.blocks()?,
            tool_use_result: line.tool_use_result,
            parent_tool_use_id: line.parent_tool_use_id,
            is_replay: line.is_replay,
            is_synthetic: line.is_synthetic,
            uuid: line.uuid,
            session_id: line.session_id,
            timestamp: line.timestamp,
            tool_result_meta: line.tool_result_meta,
            agent_id: line.agent_id,
            subagent_type: line.subagent_type,
        })
    }
}

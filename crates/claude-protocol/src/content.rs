//! What the model and its tools said: `assistant`, `user` and `stream_event` lines (protocol section 6).

use serde::Deserialize;
use serde_json::value::RawValue;

/// Token counts of one model answer, in the Messages API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct WireUsage {
    /// Input outside the prompt cache.
    pub input_tokens: u64,
    /// Output so far.
    pub output_tokens: u64,
    /// Input read from the cache.
    pub cache_read_input_tokens: u64,
    /// Input written to the cache.
    pub cache_creation_input_tokens: u64,
}

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
}

/// One block of content.
#[derive(Debug)]
pub enum Block {
    /// Text.
    Text(String),
    /// Thinking.
    Thinking(String),
    /// A tool call.
    ToolUse {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// Its input.
        input: Box<RawValue>,
    },
    /// A tool's answer.
    ToolResult {
        /// The call it answers.
        tool_use_id: String,
        /// What the model reads: a text or blocks.
        content: Option<Box<RawValue>>,
        /// Whether it failed.
        is_error: bool,
    },
    /// A kind that this version does not know, as the CLI sent it.
    Other(Box<RawValue>),
}

/// A piece of a streamed answer, reduced to what carries token counts.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// An answer starts.
    MessageStart {
        /// Its id.
        message_id: String,
        /// Counts at the start.
        usage: WireUsage,
    },
    /// Counts of the running answer so far.
    MessageDelta {
        /// Cumulative counts.
        usage: WireUsage,
    },
    /// Text, thinking or input deltas and block ends.
    Delta,
}

#[derive(Deserialize)]
struct FlatBlock {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Box<RawValue>>,
    tool_use_id: Option<String>,
    content: Option<Box<RawValue>>,
    is_error: Option<bool>,
}

impl Block {
    fn read(raw: &RawValue) -> Self {
        let known = serde_json::from_str(raw.get()).ok().and_then(FlatBlock::known);
        known.unwrap_or_else(|| Self::Other(raw.to_owned()))
    }
}

impl FlatBlock {
    fn known(mut self) -> Option<Block> {
        let kind = std::mem::take(&mut self.kind);
        Some(match (kind.as_str(), self) {
            ("text", Self { text: Some(text), .. }) => Block::Text(text),
            ("thinking", Self { thinking: Some(thinking), .. }) => Block::Thinking(thinking),
            ("tool_use", Self { id: Some(id), name: Some(name), input: Some(input), .. }) => {
                Block::ToolUse { id, name, input }
            }
            ("tool_result", Self { tool_use_id: Some(tool_use_id), content, is_error, .. }) => {
                Block::ToolResult { tool_use_id, content, is_error: is_error.unwrap_or(false) }
            }
            _ => return None,
        })
    }
}

/// `message.content`: a text or a list of blocks.
fn read_content(raw: &RawValue) -> Option<Vec<Block>> {
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return Some(vec![Block::Text(text)]);
    }
    let blocks: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    Some(blocks.into_iter().map(Block::read).collect())
}

#[derive(Deserialize)]
struct AssistantLine<'a> {
    #[serde(borrow)]
    message: AssistantLineMessage<'a>,
    parent_tool_use_id: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct AssistantLineMessage<'a> {
    id: String,
    model: String,
    #[serde(borrow)]
    content: &'a RawValue,
    usage: Option<WireUsage>,
}

impl AssistantMessage {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let line: AssistantLine<'_> = serde_json::from_slice(line).ok()?;
        Some(Self {
            blocks: read_content(line.message.content)?,
            message_id: line.message.id,
            model: line.message.model,
            usage: line.message.usage,
            parent_tool_use_id: line.parent_tool_use_id,
            error: line.error,
        })
    }
}

#[derive(Deserialize)]
struct UserLine<'a> {
    #[serde(borrow)]
    message: UserLineMessage<'a>,
    tool_use_result: Option<Box<RawValue>>,
    parent_tool_use_id: Option<String>,
    #[serde(rename = "isReplay", default)]
    is_replay: bool,
}

#[derive(Deserialize)]
struct UserLineMessage<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

impl UserMessage {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let line: UserLine<'_> = serde_json::from_slice(line).ok()?;
        Some(Self {
            blocks: read_content(line.message.content)?,
            tool_use_result: line.tool_use_result,
            parent_tool_use_id: line.parent_tool_use_id,
            is_replay: line.is_replay,
        })
    }
}

#[derive(Deserialize)]
struct StreamLine {
    event: StreamLineEvent,
}

#[derive(Deserialize)]
struct StreamLineEvent {
    #[serde(rename = "type")]
    kind: String,
    message: Option<StreamLineMessage>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct StreamLineMessage {
    id: String,
    #[serde(default)]
    usage: WireUsage,
}

impl StreamEvent {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let StreamLine { event } = serde_json::from_slice(line).ok()?;
        Some(match (event.kind.as_str(), event.message, event.usage) {
            ("message_start", Some(message), _) => {
                Self::MessageStart { message_id: message.id, usage: message.usage }
            }
            ("message_delta", _, Some(usage)) => Self::MessageDelta { usage },
            _ => Self::Delta,
        })
    }
}

//! Pieces of an answer that is being written: `stream_event` lines (protocol section 6.4).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lenient::lenient;
use crate::one_pass::{if_any, value};
use crate::{Block, WireUsage};

/// A piece of a streamed answer of the main agent. Sub-agents' answers are not streamed.
///
/// The `assistant` line of a block comes before its [`StreamEvent::BlockStop`] and replaces what its deltas said. When
/// none has come at [`StreamEvent::MessageStop`], the block's text is void: the stream broke and the answer is repeated.
#[derive(Debug)]
pub enum StreamEvent {
    /// An answer starts.
    MessageStart {
        /// Its id, the same as in its `assistant` lines.
        message_id: String,
        /// The model that answers.
        model: String,
        /// Counts at the start.
        usage: WireUsage,
    },
    /// A block starts.
    BlockStart {
        /// Its place in the answer, from 0.
        index: u32,
        /// The block, still empty.
        block: Block,
    },
    /// A block goes on.
    BlockDelta {
        /// The block's place in the answer, from 0.
        index: u32,
        /// What is appended.
        delta: Delta,
    },
    /// A block ends.
    BlockStop {
        /// The block's place in the answer, from 0.
        index: u32,
    },
    /// The answer is about to end.
    MessageDelta {
        /// Why: `end_turn`, `tool_use`, `max_tokens`, ...; `None` when it was cut off.
        stop_reason: Option<String>,
        /// Cumulative counts; left out by an answer that was cut off.
        usage: Option<WireUsage>,
    },
    /// The answer ended.
    MessageStop {
        /// From this block on nothing of it counts.
        abandoned_from: Option<u32>,
    },
    /// An event that this version does not know, or a `ping`.
    Other,
}

/// What is appended to a block.
#[derive(Debug, PartialEq, Eq)]
pub enum Delta {
    /// Text.
    Text(String),
    /// Thinking.
    Thinking(String),
    /// A piece of the signature of a thinking block.
    Signature(String),
    /// A piece of the JSON text of a tool call's input.
    InputJson(String),
    /// A kind that this version does not know.
    Other,
}

#[derive(Deserialize)]
struct StreamLine<'a> {
    #[serde(borrow)]
    event: EventLine<'a>,
    #[serde(default, deserialize_with = "lenient")]
    abandoned_blocks: Option<AbandonedBlocks>,
}

#[derive(Deserialize)]
struct AbandonedBlocks {
    from_block_index: u32,
}

#[derive(Deserialize)]
struct EventLine<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "value")]
    index: u32,
    #[serde(borrow)]
    delta: Option<DeltaLine<'a>>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<MessageLine>,
    #[serde(default, deserialize_with = "if_any")]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct DeltaLine<'a> {
    /// Left out by the delta of a message.
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "value")]
    text: String,
    #[serde(default, deserialize_with = "value")]
    thinking: String,
    #[serde(default, deserialize_with = "value")]
    signature: String,
    #[serde(default, deserialize_with = "value")]
    partial_json: String,
    #[serde(default, deserialize_with = "if_any")]
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct MessageLine {
    id: String,
    #[serde(default, deserialize_with = "value")]
    model: String,
    #[serde(default, deserialize_with = "lenient")]
    usage: WireUsage,
}

impl StreamEvent {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        // Texts are not checked one by one when the line has been.
        let StreamLine { event, abandoned_blocks } = match std::str::from_utf8(line) {
            Ok(line) => serde_json::from_str(line).ok()?,
            Err(_) => serde_json::from_slice(line).ok()?,
        };
        let index = event.index;
        Some(match (event.kind.as_ref(), event.delta) {
            ("message_start", _) => event.message.map_or(Self::Other, |message| Self::MessageStart {
                message_id: message.id,
                model: message.model,
                usage: message.usage,
            }),
            ("content_block_start", _) => event
                .content_block
                .map_or(Self::Other, |block| Self::BlockStart { index, block: Block::read(block) }),
            ("content_block_delta", Some(delta)) => Self::BlockDelta { index, delta: Delta::read(delta) },
            ("content_block_stop", _) => Self::BlockStop { index },
            ("message_delta", delta) => Self::MessageDelta {
                stop_reason: delta.and_then(|delta| delta.stop_reason),
                usage: event.usage,
            },
            ("message_stop", _) => {
                Self::MessageStop { abandoned_from: abandoned_blocks.map(|blocks| blocks.from_block_index) }
            }
            _ => Self::Other,
        })
    }
}

impl Delta {
    fn read(delta: DeltaLine<'_>) -> Self {
        match delta.kind.as_ref() {
            "text_delta" => Self::Text(delta.text),
            "thinking_delta" => Self::Thinking(delta.thinking),
            "signature_delta" => Self::Signature(delta.signature),
            "input_json_delta" => Self::InputJson(delta.partial_json),
            _ => Self::Other,
        }
    }
}

//! Blocks of content and token counts, in the words of the Messages API (protocol sections 6.2 and 6.3).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lenient::{lenient, message};

message! {
    /// Token counts of one model answer, in the Messages API's words.
    #[derive(Copy, PartialEq, Eq)]
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

#[derive(Deserialize)]
struct FlatBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    thinking: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    input: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    content: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    is_error: bool,
}

impl Block {
    pub(crate) fn read(raw: &RawValue) -> Self {
        let known = serde_json::from_str(raw.get()).ok().and_then(FlatBlock::known);
        known.unwrap_or_else(|| Self::Other(raw.to_owned()))
    }
}

impl FlatBlock<'_> {
    fn known(mut self) -> Option<Block> {
        let kind = std::mem::take(&mut self.kind);
        Some(match (kind.as_ref(), self) {
            ("text", Self { text: Some(text), .. }) => Block::Text(text),
            ("thinking", Self { thinking: Some(thinking), .. }) => Block::Thinking(thinking),
            ("tool_use", Self { id: Some(id), name: Some(name), input: Some(input), .. }) => {
                Block::ToolUse { id, name, input }
            }
            ("tool_result", Self { tool_use_id: Some(tool_use_id), content, is_error, .. }) => {
                Block::ToolResult { tool_use_id, content, is_error }
            }
            _ => return None,
        })
    }
}

/// `message.content`: a text or a list of blocks.
pub(crate) fn read_content(raw: &RawValue) -> Option<Vec<Block>> {
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return Some(vec![Block::Text(text)]);
    }
    let blocks: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    Some(blocks.into_iter().map(Block::read).collect())
}

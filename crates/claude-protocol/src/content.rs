//! Blocks of content and token counts, in the words of the Messages API (protocol sections 6.2 and 6.3).

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::lenient::Lenient;
use crate::one_pass::{OnePass, if_any, raw, value};

/// Token counts of one model answer, in the Messages API's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WireUsage {
    /// Input outside the prompt cache.
    #[serde(deserialize_with = "value")]
    pub input_tokens: u64,
    /// Output so far.
    #[serde(deserialize_with = "value")]
    pub output_tokens: u64,
    /// Input read from the cache.
    #[serde(deserialize_with = "value")]
    pub cache_read_input_tokens: u64,
    /// Input written to the cache.
    #[serde(deserialize_with = "value")]
    pub cache_creation_input_tokens: u64,
}

impl OnePass for WireUsage {
    fn of_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(object)).map(Some)
    }
}

impl Lenient for WireUsage {
    fn read(raw: &RawValue) -> Self {
        serde_json::from_str(raw.get()).unwrap_or_default()
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
    #[serde(default, deserialize_with = "if_any")]
    text: Option<String>,
    #[serde(default, deserialize_with = "if_any")]
    thinking: Option<String>,
    #[serde(default, deserialize_with = "if_any")]
    id: Option<String>,
    #[serde(default, deserialize_with = "if_any")]
    name: Option<String>,
    #[serde(default, deserialize_with = "raw")]
    input: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "if_any")]
    tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "raw")]
    content: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "value")]
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

/// `message.content`, a text or a list of blocks: how it is read.
pub(crate) trait Content<'de>: Deserialize<'de> {
    /// The blocks, if it can be read this way.
    fn blocks(self) -> Option<Vec<Block>>;
}

/// Content of blocks that are all known, in one pass.
pub(crate) struct Known(Vec<Block>);

impl<'de> Content<'de> for Known {
    fn blocks(self) -> Option<Vec<Block>> {
        Some(self.0)
    }
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(KnownBlocks).map(Self)
    }
}

struct KnownBlocks;

impl<'de> Visitor<'de> for KnownBlocks {
    type Value = Vec<Block>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text or known blocks")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![Block::Text(text.to_owned())])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut blocks = Vec::new();
        while let Some(block) = items.next_element::<FlatBlock<'_>>()? {
            blocks.push(block.known().ok_or_else(|| A::Error::custom("an unknown block"))?);
        }
        Ok(blocks)
    }
}

/// Any content: a block that is not known is kept as it is.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Any<'a>(#[serde(borrow)] &'a RawValue);

impl<'de> Content<'de> for Any<'de> {
    fn blocks(self) -> Option<Vec<Block>> {
        if let Ok(text) = serde_json::from_str::<String>(self.0.get()) {
            return Some(vec![Block::Text(text)]);
        }
        let blocks: Vec<&RawValue> = serde_json::from_str(self.0.get()).ok()?;
        Some(blocks.into_iter().map(Block::read).collect())
    }
}

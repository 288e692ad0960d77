//! The content blocks of messages, in one shape, and a hash of them that ignores cache markers.

use std::hash::{DefaultHasher, Hasher};
use std::io;

use serde_json::Value;

/// One content block of a message; a string content is one text block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MessageBlock<'a> {
    /// A content that was a bare string.
    Text(&'a str),
    /// A content block as sent.
    Block(&'a Value),
}

/// The content blocks of a message.
pub(crate) fn message_blocks(message: &Value) -> impl Iterator<Item = MessageBlock<'_>> {
    let content = message.get("content");
    let text = content.and_then(Value::as_str).map(MessageBlock::Text);
    let blocks = content.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    text.into_iter().chain(blocks.iter().map(MessageBlock::Block))
}

impl<'a> MessageBlock<'a> {
    /// The text of a text block.
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Block(block) if self.is("text") => block.get("text")?.as_str(),
            Self::Block(_) => None,
        }
    }

    /// Whether the block has this type.
    pub(crate) fn is(self, block_type: &str) -> bool {
        match self {
            Self::Text(_) => block_type == "text",
            Self::Block(block) => block.get("type").and_then(Value::as_str) == Some(block_type),
        }
    }

    /// The `cache_control` of the block.
    pub(crate) fn cache_control(self) -> Option<&'a Value> {
        match self {
            Self::Text(_) => None,
            Self::Block(block) => block.get("cache_control").filter(|control| !control.is_null()),
        }
    }
}

/// A running hash and size of a request's content. Cache markers do not count, nor does it matter whether a text came as a
/// string or as a block: the CLI changes both from one request to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digest {
    hasher: DefaultHasher,
    bytes: u64,
}

impl Digest {
    /// Takes in a word.
    pub(crate) fn add_str(&mut self, text: &str) {
        self.hasher.write(text.as_bytes());
        self.hasher.write_u8(0xff);
        self.bytes += text.len() as u64;
    }

    /// Takes in the model, which tells caches apart but is no content.
    pub(crate) fn add_model(&mut self, model: &str) {
        self.hasher.write(model.as_bytes());
    }

    /// Takes in a content block.
    pub(crate) fn add_block(&mut self, block: MessageBlock<'_>) {
        match (block.text(), block) {
            (Some(text), _) => self.add_str(text),
            (None, MessageBlock::Block(value)) => self.add_value(value),
            (None, MessageBlock::Text(_)) => {}
        }
    }

    /// Takes in a JSON value without its own cache marker.
    pub(crate) fn add_value(&mut self, value: &Value) {
        match value.as_object() {
            None => self.add_json(value),
            Some(fields) => {
                for (name, field) in fields.iter().filter(|(name, _)| *name != "cache_control") {
                    self.add_str(name);
                    self.add_json(field);
                }
            }
        }
    }

    fn add_json(&mut self, value: &Value) {
        // Writing a `Value` into a hasher cannot fail.
        if serde_json::to_writer(&mut *self, value).is_ok() {
            self.hasher.write_u8(0xfe);
        }
    }

    /// The hash of everything taken in.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// The bytes taken in.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.write(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! A response that is decided, and its two forms on the wire.

mod message;
mod stream;

use std::time::Duration;

use serde_json::Value;

pub(crate) use message::message_json;
pub(crate) use stream::{Action, actions};

use crate::directive::ToolInput;
use crate::usage::{InputTokens, tokens};

/// An assistant message that is ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) stop_reason: String,
    pub(crate) input: InputTokens,
    /// Reported instead of what the content comes to.
    pub(crate) output_tokens: Option<u64>,
    /// What happens in mid-stream, in order.
    pub(crate) interruptions: Vec<Interruption>,
}

/// A content block of a reply.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    Thinking(String),
    Text(String),
    /// `count` deltas `tok0 tok1 ...`, `gap` apart; never held in memory as a whole while streaming.
    Tokens {
        count: u32,
        gap: Duration,
    },
    ToolUse {
        id: String,
        name: String,
        input: ToolInput,
    },
}

/// What happens in the middle of a stream.
#[derive(Debug, Clone)]
pub(crate) enum Interruption {
    Stall(Duration),
    Cut,
    ErrorEvent { error_type: String },
}

impl Reply {
    /// The output tokens to report.
    pub(crate) fn output_tokens(&self) -> u64 {
        self.output_tokens.unwrap_or_else(|| tokens(self.blocks.iter().map(Block::bytes).sum::<u64>()).max(1))
    }

    /// The API's `usage` object with this many output tokens.
    pub(crate) fn usage(&self, output_tokens: u64) -> Value {
        self.input.usage(output_tokens)
    }
}

impl Block {
    fn bytes(&self) -> u64 {
        match self {
            Self::Thinking(text) | Self::Text(text) => text.len() as u64,
            Self::Tokens { count, .. } => token_bytes(*count),
            Self::ToolUse { name, input, .. } => (name.len() + input.as_json().len()) as u64,
        }
    }
}

impl ToolInput {
    /// The input as it goes over the wire.
    pub(crate) fn as_json(&self) -> String {
        match self {
            Self::Json(value) => value.to_string(),
            Self::Broken(text) => text.clone(),
        }
    }
}

/// The text of one delta of `[[stream]]`.
pub(crate) fn token(number: u32) -> String {
    format!("tok{number} ")
}

/// The bytes of the first `count` tokens: `tok`, the digits and a space.
fn token_bytes(count: u32) -> u64 {
    let count = u64::from(count);
    let digits: u64 = (1..=7).map(|power| count.saturating_sub(10_u64.pow(power))).sum::<u64>() + count;
    digits + 4 * count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_bytes_need_no_tokens() {
        for count in [0, 1, 9, 10, 11, 99, 100, 1000, 12_345] {
            let counted: u64 = (0..count).map(|number| token(number).len() as u64).sum();
            assert_eq!(token_bytes(count), counted, "{count}");
        }
    }
}

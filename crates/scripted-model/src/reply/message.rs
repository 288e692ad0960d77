//! A reply as one JSON document.

use serde_json::{Value, json};

use super::{Block, Reply, token};
use crate::directive::ToolInput;

/// The signature that the API puts under a thinking block.
pub(super) const SIGNATURE: &str = "c2NyaXB0ZWQtbW9kZWwtdGhpbmtpbmctc2lnbmF0dXJl";

/// The reply as a whole: the body of a non-streaming response.
pub(crate) fn message_json(reply: &Reply) -> Value {
    let mut message = opening(reply);
    if let Some(fields) = message.as_object_mut() {
        fields.insert("content".to_owned(), reply.blocks.iter().map(block_json).collect());
        fields.insert("stop_reason".to_owned(), reply.stop_reason.clone().into());
        fields.insert("usage".to_owned(), reply.usage(reply.output_tokens()));
    }
    message
}

/// The reply before it has content: what `message_start` holds.
pub(super) fn opening(reply: &Reply) -> Value {
    json!({
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": reply.usage(1),
    })
}

fn block_json(block: &Block) -> Value {
    match block {
        Block::Thinking(text) => json!({ "type": "thinking", "thinking": text, "signature": SIGNATURE }),
        Block::Text(text) => json!({ "type": "text", "text": text }),
        Block::Tokens { count, .. } => {
            json!({ "type": "text", "text": (0..*count).map(token).collect::<String>() })
        }
        Block::ToolUse { id, name, input } => {
            let input = match input {
                ToolInput::Json(value) => value.clone(),
                ToolInput::Broken(text) => Value::String(text.clone()),
            };
            json!({ "type": "tool_use", "id": id, "name": name, "input": input })
        }
    }
}

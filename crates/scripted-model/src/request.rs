//! What a Messages request says, as far as the script needs to know it.

mod blocks;
mod conversation;
mod human_text;

use serde_json::Value;

pub(crate) use blocks::{Digest, MessageBlock, message_blocks};
pub(crate) use conversation::{Conversation, ToolResult};

/// A body that the API would refuse with `invalid_request_error`; the text is the API's message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Invalid(String);

/// A Messages request.
#[derive(Debug)]
pub(crate) struct MessagesRequest {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether thinking is enabled or adaptive.
    pub(crate) thinking: bool,
    /// The text of the system prompt.
    pub(crate) system: String,
    /// The names of the offered tools.
    pub(crate) tools: Vec<String>,
    pub(crate) message_count: usize,
    /// The JSON schema that the answer has to follow.
    pub(crate) answer_schema: Option<Value>,
    pub(crate) conversation: Conversation,
    /// The whole body, for counting tokens.
    pub(crate) body: Value,
}

impl MessagesRequest {
    /// Reads a request body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Invalid> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| Invalid(format!("The request body is not valid JSON: {error}")))?;
        let model = body.get("model").and_then(Value::as_str).ok_or_else(|| required("model"))?.to_owned();
        let messages = messages(&body)?;
        let system = system_text(&body);
        let thinking = body.pointer("/thinking/type").and_then(Value::as_str);
        Ok(Self {
            model,
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            thinking: matches!(thinking, Some("enabled" | "adaptive")),
            tools: tool_names(&body),
            message_count: messages.len(),
            answer_schema: body.pointer("/output_config/format/schema").cloned(),
            conversation: Conversation::read(messages, &system, session(&body)),
            system,
            body,
        })
    }

    /// Whether the CLI asks this on the side (a title, say) and not as a turn of the conversation. Measured with CLI 2.1.330:
    /// such requests offer no tools, and name an answer schema or at least have neither `thinking` nor an environment.
    pub(crate) fn is_side_request(&self) -> bool {
        let from_the_cli = self.system.contains("x-anthropic-billing-header");
        let in_a_turn = self.body.get("thinking").is_some() || self.conversation.working_directory.is_some();
        self.tools.is_empty() && (self.answer_schema.is_some() || (from_the_cli && !in_a_turn))
    }
}

fn required(field: &str) -> Invalid {
    Invalid(format!("{field}: Field required"))
}

fn messages(body: &Value) -> Result<&[Value], Invalid> {
    let messages = body.get("messages").ok_or_else(|| required("messages"))?;
    let messages =
        messages.as_array().ok_or_else(|| Invalid("messages: Input should be a valid list".to_owned()))?;
    if messages.is_empty() {
        return Err(Invalid("messages: at least one message is required".to_owned()));
    }
    for (index, message) in messages.iter().enumerate() {
        if message.get("role").and_then(Value::as_str).is_none() {
            return Err(required(&format!("messages.{index}.role")));
        }
        if !message.get("content").is_some_and(|content| content.is_string() || content.is_array()) {
            return Err(required(&format!("messages.{index}.content")));
        }
    }
    Ok(messages)
}

fn system_text(body: &Value) -> String {
    match body.get("system") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            let texts: Vec<&str> =
                blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str)).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

fn tool_names(body: &Value) -> Vec<String> {
    let tools = body.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    tools.iter().filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned())).collect()
}

/// The CLI names its session in here; two sessions with the same prompt are told apart by it.
fn session(body: &Value) -> &str {
    body.pointer("/metadata/user_id").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;

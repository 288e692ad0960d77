//! What is written to the CLI (protocol sections 5, 8 and 9). Each function gives one whole line, line end
//! included, made by a JSON serializer: one malformed line would end the process.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{HostRequest, PermissionUpdate};

/// The answer to a control request of ours.
#[derive(Debug)]
pub struct ControlReply {
    /// The request; absent when the CLI could not read ours.
    pub request_id: Option<String>,
    /// What it answered, or why it refused.
    pub outcome: Result<Option<Box<RawValue>>, ControlRefusal>,
}

/// Why the CLI did not do what we asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ControlRefusal {
    /// For people.
    pub message: String,
    /// For programs: `unsupported_request`, `bypass_not_launched`, ...; absent for most.
    pub code: Option<String>,
}

#[derive(Deserialize)]
struct ReplyLine {
    response: ReplyBody,
}

#[derive(Deserialize)]
struct ReplyBody {
    subtype: String,
    request_id: Option<String>,
    response: Option<Box<RawValue>>,
    error: Option<String>,
    error_code: Option<String>,
}

impl ControlReply {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let ReplyLine { response } = serde_json::from_slice(line).ok()?;
        let outcome = if response.subtype == "success" {
            Ok(response.response)
        } else {
            let message = response.error.unwrap_or(response.subtype);
            Err(ControlRefusal { message, code: response.error_code })
        };
        Some(Self { request_id: response.request_id, outcome })
    }
}

/// Our answer to "may this tool run?" (section 9.1).
#[derive(Debug, Clone)]
pub enum PermissionAnswer {
    /// Run it.
    Allow {
        /// With this input instead of the model's.
        updated_input: Option<Box<RawValue>>,
        /// Changes of the permissions, in force before it runs.
        updated_permissions: Vec<PermissionUpdate>,
    },
    /// Do not run it.
    Deny {
        /// Why; the model reads it.
        message: String,
        /// Whether the turn ends too.
        interrupt: bool,
    },
}

impl PermissionAnswer {
    /// Run it as asked.
    #[must_use]
    pub fn allow() -> Self {
        Self::Allow { updated_input: None, updated_permissions: Vec::new() }
    }

    /// Do not run it; the model reads why and goes on.
    #[must_use]
    pub fn deny(message: impl Into<String>) -> Self {
        Self::Deny { message: message.into(), interrupt: false }
    }
}

/// What a prompt says.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum PromptContent {
    /// Text.
    Text(String),
    /// Blocks of the Messages API: text, image, document.
    Blocks(Vec<serde_json::Value>),
}

impl From<&str> for PromptContent {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// When a prompt is taken up that comes while a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Between two tool rounds of the running turn.
    #[default]
    Next,
    /// At once: the running turn is cut off.
    Now,
    /// After the running turn.
    Later,
}

/// How text is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// As it is: no slash command, no file mention.
    #[default]
    Verbatim,
    /// As at a terminal: a leading `/` is a command, `@path` brings in a file.
    Terminal,
}

/// A message to the agent.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Comes back in the result of the turn that answers it. The same one is not run twice by one process.
    pub uuid: Uuid,
    /// What it says.
    pub content: PromptContent,
    /// How its text is understood.
    pub reading: Reading,
    /// When it is taken up.
    pub priority: Priority,
}

impl Prompt {
    /// A text that is taken as it is.
    #[must_use]
    pub fn text(uuid: Uuid, text: &str) -> Self {
        Self { uuid, content: text.into(), reading: Reading::Verbatim, priority: Priority::Next }
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Serializing strings, numbers and maps with text keys into memory cannot fail.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    // Within texts they are escaped, so these stand between the tokens of raw JSON that a caller gave.
    for byte in line.iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    line.push(b'\n');
    line
}

/// A request of ours; the id comes back in the [`ControlReply`].
#[must_use]
pub fn control_request(request_id: &str, request: &HostRequest) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        r#type: &'static str,
        request_id: &'a str,
        request: &'a HostRequest,
    }
    // Not by way of a tree of values: raw JSON may hold numbers and depths that it has no place for.
    line(&Line { r#type: "control_request", request_id, request })
}

/// Withdraws a request of ours.
#[must_use]
pub fn control_cancel(request_id: &str) -> Vec<u8> {
    line(&json!({"type": "control_cancel_request", "request_id": request_id}))
}

/// Says that we are there. The CLI ignores it.
#[must_use]
pub fn keep_alive() -> Vec<u8> {
    line(&json!({"type": "keep_alive"}))
}

/// A message to the agent.
#[must_use]
pub fn user_prompt(prompt: &Prompt) -> Vec<u8> {
    let content = match &prompt.content {
        PromptContent::Text(text) => json!([{"type": "text", "text": text}]),
        PromptContent::Blocks(blocks) => json!(blocks),
    };
    let mut message = json!({
        "type": "user",
        "session_id": "",
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": null,
        "uuid": prompt.uuid,
    });
    if prompt.reading == Reading::Verbatim {
        message["client_composed"] = json!(true);
    }
    if prompt.priority != Priority::Next {
        message["priority"] = json!(prompt.priority);
    }
    line(&message)
}

/// Answers a question of the CLI.
#[must_use]
pub fn answer(request_id: &str, response: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a, R> {
        r#type: &'static str,
        response: Body<'a, R>,
    }
    #[derive(Serialize)]
    struct Body<'a, R> {
        subtype: &'static str,
        request_id: &'a str,
        response: &'a R,
    }
    line(&Line { r#type: "control_response", response: Body { subtype: "success", request_id, response } })
}

/// Answers "may this tool run?".
#[must_use]
pub fn permission_answer(request_id: &str, given: &PermissionAnswer) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Allow<'a> {
        behavior: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        updated_input: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        updated_permissions: &'a [PermissionUpdate],
    }
    match given {
        PermissionAnswer::Allow { updated_input, updated_permissions } => answer(
            request_id,
            &Allow { behavior: "allow", updated_input: updated_input.as_deref(), updated_permissions },
        ),
        PermissionAnswer::Deny { message, interrupt: false } => {
            answer(request_id, &json!({"behavior": "deny", "message": message}))
        }
        PermissionAnswer::Deny { message, interrupt: true } => {
            answer(request_id, &json!({"behavior": "deny", "message": message, "interrupt": true}))
        }
    }
}

/// Answers a message for an MCP server of ours. A notification is answered too, with an empty result.
#[must_use]
pub fn mcp_answer(request_id: &str, response: Option<&RawValue>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wrapped<'a> {
        mcp_response: &'a RawValue,
    }
    match response {
        Some(mcp_response) => answer(request_id, &Wrapped { mcp_response }),
        None => answer(request_id, &json!({"mcp_response": {"jsonrpc": "2.0", "result": {}, "id": 0}})),
    }
}

/// Refuses to answer a question of the CLI. What that does depends on the question: a tool is denied, a hook
/// is passed over unless its matcher says otherwise.
#[must_use]
pub fn refusal(request_id: &str, reason: &str) -> Vec<u8> {
    line(&json!({
        "type": "control_response",
        "response": {"subtype": "error", "request_id": request_id, "error": reason},
    }))
}

#[cfg(test)]
mod tests;

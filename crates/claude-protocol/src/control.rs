//! What is written to the CLI (protocol sections 5, 8 and 9). Each function gives one whole line, line end
//! included, made by a JSON serializer: one malformed line would end the process.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The answer to a control request of ours.
#[derive(Debug)]
pub struct ControlReply {
    /// The request; absent when the CLI could not read ours.
    pub request_id: Option<String>,
    /// What it answered, or why it refused.
    pub outcome: Result<Option<Box<RawValue>>, String>,
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
}

impl ControlReply {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let ReplyLine { response } = serde_json::from_slice(line).ok()?;
        let outcome = if response.subtype == "success" {
            Ok(response.response)
        } else {
            Err(response.error.unwrap_or(response.subtype))
        };
        Some(Self { request_id: response.request_id, outcome })
    }
}

/// Our answer to "may this tool run?" (section 9.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionAnswer {
    /// Run it as asked.
    Allow,
    /// Do not; the model reads the message and goes on.
    Deny {
        /// Why.
        message: String,
    },
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Serializing strings, numbers and maps with text keys into memory cannot fail.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

fn request(request_id: &str, request: &serde_json::Value) -> Vec<u8> {
    line(&json!({"type": "control_request", "request_id": request_id, "request": request}))
}

/// Opens the conversation; its answer means that the CLI is ready.
pub fn initialize(request_id: &str) -> Vec<u8> {
    request(request_id, &json!({"subtype": "initialize", "hooks": null}))
}

/// Ends the running turn, and drops prompts that wait.
pub fn interrupt(request_id: &str) -> Vec<u8> {
    request(request_id, &json!({"subtype": "interrupt", "cancel_queued": true}))
}

/// A prompt, taken as it is: no slash command, no file mention (`client_composed`). The `uuid` comes back in the
/// result of the turn that answers it.
pub fn user_prompt(uuid: Uuid, text: &str) -> Vec<u8> {
    line(&json!({
        "type": "user",
        "session_id": "",
        "message": {"role": "user", "content": [{"type": "text", "text": text}]},
        "parent_tool_use_id": null,
        "client_composed": true,
        "uuid": uuid,
    }))
}

/// Answers "may this tool run?".
pub fn permission_answer(request_id: &str, answer: &PermissionAnswer) -> Vec<u8> {
    let response = match answer {
        PermissionAnswer::Allow => json!({"behavior": "allow"}),
        PermissionAnswer::Deny { message } => json!({"behavior": "deny", "message": message}),
    };
    line(&json!({
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request_id, "response": response},
    }))
}

/// Answers a question that this version does not know.
pub fn unsupported_request(request_id: &str, subtype: &str) -> Vec<u8> {
    line(&json!({
        "type": "control_response",
        "response": {
            "subtype": "error",
            "request_id": request_id,
            "error": format!("unsupported control request subtype: {subtype}"),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_one_line_of_json() {
        let text = "a\nb\r\n{\"type\":\"user\"}\u{2028}\0\"\\";
        let written = user_prompt(Uuid::nil(), text);
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(written.last(), Some(&b'\n'));
        let read: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(
            read,
            json!({
                "type": "user", "session_id": "", "parent_tool_use_id": null, "client_composed": true,
                "uuid": "00000000-0000-0000-0000-000000000000",
                "message": {"role": "user", "content": [{"type": "text", "text": text}]},
            })
        );
    }

    #[test]
    fn a_denial_carries_its_reason() {
        let answer = PermissionAnswer::Deny { message: "not \"this\"".into() };
        let read: serde_json::Value =
            serde_json::from_slice(&permission_answer("r1", &answer)).expect("JSON");
        assert_eq!(
            read,
            json!({"type": "control_response", "response": {
                "subtype": "success", "request_id": "r1",
                "response": {"behavior": "deny", "message": "not \"this\""},
            }})
        );
    }
}

//! The lines that are not written in bulk, as recorded from the CLI and without what no reader needs.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::arguments::{Launch, VERSION};
use crate::burst::assistant_line;
use crate::output::Output;

/// What the CLI can do, as far as it is so here.
const CAPABILITIES: [&str; 3] = ["interrupt_receipt_v1", "interrupt_cancel_queued_v1", "msg_lifecycle_v1"];

impl Output {
    /// Tells the fate of a prompt, if it has a name.
    pub(crate) fn lifecycle(&mut self, prompt: Option<&str>, state: &str) -> io::Result<()> {
        match prompt {
            Some(uuid) => self.frame("command_lifecycle", json!({"command_uuid": uuid, "state": state})),
            None => Ok(()),
        }
    }

    /// Says that the session starts or stops working, if the environment asks for it.
    pub(crate) fn state(&mut self, state: &str) -> io::Result<()> {
        if std::env::var_os("CLAUDE_CODE_SDK_READS_SESSION_STATE").is_none_or(|value| value != "1") {
            return Ok(());
        }
        self.system("session_state_changed", json!({"state": state, "sdk_host_only": true}))
    }

    /// Begins a turn.
    pub(crate) fn init(&mut self, launch: &Launch, cwd: &Path, prompt: Option<&str>) -> io::Result<()> {
        let mut fields = json!({
            "cwd": cwd, "original_cwd": cwd, "additional_directories": [], "tools": ["Bash"],
            "mcp_servers": [], "model": launch.model, "permissionMode": launch.permission_mode,
            "slash_commands": [], "agents": [], "skills": [], "plugins": [], "capabilities": CAPABILITIES,
            "claude_code_version": VERSION, "apiKeySource": "ANTHROPIC_API_KEY", "output_style": "default",
        });
        if let Some(uuid) = prompt {
            fields["user_message_uuids"] = json!([uuid]);
        }
        self.system("init", fields)
    }

    /// Says a text.
    pub(crate) fn say(&mut self, model: &str, text: &str) -> io::Result<()> {
        let block = format!("{{\"type\":\"text\",\"text\":{}}}", json!(text));
        let line = assistant_line(self, model, &block);
        self.bytes(line.as_bytes())
    }

    /// Says what the model API's refusal reads like.
    pub(crate) fn say_refusal(&mut self, status: u16, text: &str) -> io::Result<()> {
        let (id, error) = (self.id(), error_of(status));
        let message = json!({
            "id": id, "type": "message", "role": "assistant", "model": "<synthetic>",
            "content": [{"type": "text", "text": text}], "stop_reason": "stop_sequence",
            "usage": {"input_tokens": 0, "output_tokens": 0},
        });
        let fields = json!({
            "message": message, "parent_tool_use_id": null, "error": error, "is_api_error_message": true,
            "api_error_status": status,
        });
        self.frame("assistant", fields)
    }

    /// Says that a request to the model API is about to be repeated.
    pub(crate) fn api_retry(&mut self, status: u16) -> io::Result<()> {
        let fields = json!({
            "attempt": 1, "max_retries": 10, "retry_delay_ms": 500, "error_status": status,
            "error": error_of(status),
        });
        self.system("api_retry", fields)
    }

    /// Uses a tool; `input` is JSON.
    pub(crate) fn tool_use(&mut self, model: &str, id: &str, name: &str, input: &str) -> io::Result<()> {
        let block =
            format!("{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":{},\"input\":{input}}}", json!(name));
        let line = assistant_line(self, model, &block);
        self.bytes(line.as_bytes())
    }

    /// A tool's result.
    pub(crate) fn tool_result(&mut self, id: &str, content: &str, is_error: bool) -> io::Result<()> {
        let block =
            json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error});
        let output = if is_error {
            json!("User rejected tool use")
        } else {
            json!({"stdout": content, "stderr": "", "interrupted": false, "isImage": false})
        };
        self.user(&json!([block]), json!({"tool_use_result": output}))
    }

    /// A `user` line.
    pub(crate) fn user(&mut self, content: &Value, mut fields: Value) -> io::Result<()> {
        fields["message"] = json!({"role": "user", "content": content});
        fields["parent_tool_use_id"] = Value::Null;
        self.frame("user", fields)
    }

    /// Fulfils a control request.
    pub(crate) fn answer(&mut self, id: &Value, response: &Value) -> io::Result<()> {
        let response = json!({"subtype": "success", "request_id": id, "response": response});
        self.value(&json!({"type": "control_response", "response": response}))
    }

    /// Refuses a control request.
    pub(crate) fn refuse(&mut self, id: &Value, error: &str, code: Option<&str>) -> io::Result<()> {
        let mut response = json!({"subtype": "error", "request_id": id, "error": error});
        if let Some(code) = code {
            response["error_code"] = json!(code);
        }
        self.value(&json!({"type": "control_response", "response": response}))
    }
}

/// The answer to `initialize`.
pub(crate) fn initialized(launch: &Launch) -> Value {
    json!({
        "commands": [], "agents": [], "models": [], "output_style": "default",
        "account": {"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY", "apiProvider": "firstParty"},
        "pid": std::process::id(), "claude_code_version": VERSION,
        "current_permission_mode": launch.permission_mode, "capabilities": CAPABILITIES,
    })
}

fn error_of(status: u16) -> &'static str {
    match status {
        401 | 403 => "authentication_failed",
        404 => "model_not_found",
        429 => "rate_limit",
        500.. => "server_error",
        _ => "unknown",
    }
}

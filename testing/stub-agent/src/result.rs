//! The `result` line, which ends a turn.

use std::io;

use serde_json::{Value, json};

use crate::output::Output;

/// Tokens that every turn is said to have used.
const TOKENS: (u64, u64) = (10, 5);

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it should.
    Completed(String),
    /// By an interrupt; `true` while a tool ran.
    Aborted(bool),
    /// The model API refused with this status and text.
    ApiError(u16, String),
    /// The process does not work yet.
    Refused(String),
}

impl Ending {
    /// The CLI's word for it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Aborted(false) => "aborted_streaming",
            Self::Aborted(true) => "aborted_tools",
            Self::ApiError(..) => "api_error",
            Self::Refused(_) => "",
        }
    }

    /// The fields that differ by it.
    fn fields(&self) -> Value {
        let failed = json!({"subtype": "error_during_execution", "is_error": true, "stop_reason": null});
        let mut fields = match self {
            Self::Completed(text) => json!({
                "subtype": "success", "is_error": false, "result": text, "api_error_status": null,
                "stop_reason": "end_turn", "num_turns": 1,
            }),
            Self::ApiError(status, text) => json!({
                "subtype": "success", "is_error": true, "result": text, "api_error_status": status,
                "stop_reason": "stop_sequence", "num_turns": 1,
            }),
            Self::Aborted(_) | Self::Refused(_) => failed,
        };
        match self {
            Self::Aborted(_) => {
                fields["num_turns"] = json!(2);
                fields["errors"] =
                    json!(["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"]);
            }
            Self::Refused(error) => {
                fields["num_turns"] = json!(0);
                fields["errors"] = json!([error]);
            }
            _ => {}
        }
        if !self.reason().is_empty() {
            fields["terminal_reason"] = json!(self.reason());
        }
        fields
    }
}

/// What started a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A prompt, by its name if it has one.
    Prompt(Option<String>),
    /// A prompt whose turn was cut off when the process before this one ended.
    Resumed(Option<String>),
    /// The end of a background task.
    Notification,
}

impl Cause {
    /// The prompt's name.
    pub(crate) fn prompt(&self) -> Option<&str> {
        match self {
            Self::Prompt(uuid) | Self::Resumed(uuid) => uuid.as_deref(),
            Self::Notification => None,
        }
    }
}

/// What the results of a process have in common.
#[derive(Debug, Default)]
pub(crate) struct Results {
    written: u64,
    tokens: (u64, u64),
    /// Whether the last one was a failure.
    pub(crate) failed: bool,
}

/// A turn that has ended.
pub(crate) struct Ended<'a> {
    pub(crate) cause: &'a Cause,
    pub(crate) ending: &'a Ending,
    pub(crate) milliseconds: u128,
    pub(crate) cost_usd: f64,
    /// Of the whole conversation.
    pub(crate) total_cost_usd: f64,
    pub(crate) model: &'a str,
    /// Prompts that wait.
    pub(crate) queued: usize,
}

impl Results {
    /// Writes the result of a turn.
    pub(crate) fn write(&mut self, output: &mut Output, turn: &Ended<'_>) -> io::Result<()> {
        let used = if matches!(turn.ending, Ending::Completed(_)) { TOKENS } else { (0, 0) };
        self.tokens = (self.tokens.0 + used.0, self.tokens.1 + used.1);
        self.failed = !matches!(turn.ending, Ending::Completed(_));
        let mut line = turn.ending.fields();
        for (name, value) in [
            ("type", json!("result")),
            ("session_id", json!(output.session())),
            ("uuid", json!(output.id())),
            ("duration_ms", json!(turn.milliseconds)),
            ("duration_api_ms", json!(turn.milliseconds)),
            ("total_cost_usd", json!(turn.total_cost_usd)),
            ("usage", json!({"input_tokens": used.0, "output_tokens": used.1})),
            ("modelUsage", json!({turn.model: usage(self.tokens, turn.total_cost_usd)})),
            ("model_usage_since_last_result", json!({turn.model: usage(used, turn.cost_usd)})),
            ("permission_denials", json!([])),
            ("queued_turn_count", json!(turn.queued)),
            ("result_index", json!(self.written)),
        ] {
            line[name] = value;
        }
        cause(&mut line, turn.cause);
        self.written += 1;
        output.value(&line)
    }
}

fn usage((input, output): (u64, u64), cost_usd: f64) -> Value {
    json!({
        "inputTokens": input, "outputTokens": output, "cacheReadInputTokens": 0,
        "cacheCreationInputTokens": 0, "webSearchRequests": 0, "costUSD": cost_usd,
    })
}

fn cause(line: &mut Value, cause: &Cause) {
    if let Some(uuid) = cause.prompt() {
        line["user_message_uuid"] = json!(uuid);
        line["user_message_uuids"] = json!([uuid]);
    }
    match cause {
        Cause::Prompt(_) => {}
        Cause::Resumed(_) => line["resume_reason"] = json!("interrupted_turn"),
        Cause::Notification => {
            line["origin"] = json!({"kind": "task-notification", "producer": "session-task"});
        }
    }
}

/// What the CLI writes when there is nothing to resume.
pub(crate) fn no_conversation(message: &str, session: &str) -> Value {
    json!({
        "type": "result", "subtype": "error_during_execution", "is_error": true, "duration_ms": 0,
        "duration_api_ms": 0, "num_turns": 0, "stop_reason": null, "session_id": session,
        "total_cost_usd": 0, "usage": {"input_tokens": 0, "output_tokens": 0}, "modelUsage": {},
        "permission_denials": [], "errors": [message], "result_index": 0,
    })
}

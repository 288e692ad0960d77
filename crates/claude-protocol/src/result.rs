//! The `result` line: how a turn ended (protocol section 7).

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::WireUsage;
use crate::lenient::message;

message! {
    /// Tokens and cost of one model, in the CLI's words.
    #[derive(Copy, PartialEq)]
    #[serde(rename_all = "camelCase")]
    pub struct ModelUsage {
        /// Input outside the prompt cache.
        pub input_tokens: u64,
        /// Output.
        pub output_tokens: u64,
        /// Input read from the cache.
        pub cache_read_input_tokens: u64,
        /// Input written to the cache.
        pub cache_creation_input_tokens: u64,
        /// Cost in US dollars.
        #[serde(rename = "costUSD")]
        pub cost_usd: f64,
    }

    /// The end of a turn. Judge it by `is_error`, `subtype` and `terminal_reason` together: API failures come as
    /// `subtype: "success"` with `is_error` set (section 7.3).
    pub struct TurnResult {
        /// `success`, `error_during_execution`, `error_max_turns`, ...
        pub subtype: String,
        /// Whether it failed.
        pub is_error: bool,
        /// `completed`, `aborted_streaming`, `aborted_tools`, `api_error`, `max_turns`, ...
        pub terminal_reason: Option<String>,
        /// Why the model stopped: `end_turn`, `tool_use`, ...
        pub stop_reason: Option<String>,
        /// HTTP status of the API's failure; `None` when there was no answer.
        pub api_error_status: Option<u16>,
        /// The API's word for its failure, as `overloaded_error`.
        pub api_error_type: Option<String>,
        /// The final text, or what the API's failure was.
        pub result: Option<String>,
        /// The answer in the form that was asked for. It may be missing although the turn succeeded (section 7.5).
        pub structured_output: Option<Box<RawValue>>,
        /// Diagnostics of the error subtypes.
        pub errors: Vec<String>,
        /// Tool calls of the turn that were denied.
        pub permission_denials: Vec<PermissionDenial>,
        /// The call that a hook put off; the turn ended with it.
        pub deferred_tool_use: Option<Box<RawValue>>,
        /// Model answers and tool rounds as the CLI counts them.
        pub num_turns: u64,
        /// How long the turn took, in milliseconds.
        pub duration_ms: u64,
        /// How long its requests to the API took, in milliseconds.
        pub duration_api_ms: u64,
        /// Uuids of the prompts that this turn answered. Empty for a turn that nobody sent.
        pub user_message_uuids: Vec<Uuid>,
        /// Uuid of the last of them.
        pub user_message_uuid: Option<Uuid>,
        /// What started a turn that no prompt of ours started.
        pub origin: Option<TurnOrigin>,
        /// The command that was run instead of the model, without the slash.
        pub local_command: Option<String>,
        /// Why a resumed conversation went on by itself, as `interrupted_turn`.
        pub resume_reason: Option<String>,
        /// Why the process cannot work, as `bypass_root`.
        pub startup_failure_reason: Option<String>,
        /// The conversation.
        pub session_id: Option<Uuid>,
        /// Prompts of ours that still wait.
        pub queued_turn_count: u64,
        /// Which result of this process this is, from 0.
        pub result_index: Option<u64>,
        /// Usage of this turn by the main agent.
        pub usage: Option<WireUsage>,
        /// Usage since the previous result of this process, by model, sub-agents included.
        pub model_usage_since_last_result: BTreeMap<String, ModelUsage>,
        /// Usage of the conversation so far, by model.
        #[serde(rename = "modelUsage")]
        pub model_usage: BTreeMap<String, ModelUsage>,
        /// Cost of the conversation so far, in US dollars.
        pub total_cost_usd: f64,
    }

    /// A tool call that was denied.
    pub struct PermissionDenial {
        /// The tool.
        pub tool_name: String,
        /// The call.
        pub tool_use_id: String,
        /// Its input.
        pub tool_input: Option<Box<RawValue>>,
    }

    /// What started a turn that no prompt of ours started.
    pub struct TurnOrigin {
        /// `task-notification`: a background task ended. `peer`: another session sent a message. Or another word.
        pub kind: String,
        /// Which peer.
        pub from: Option<String>,
    }
}

impl TurnResult {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether the turn ended because the API failed, and trying again did not help.
    pub fn met_api_error(&self) -> bool {
        self.terminal_reason.as_deref() == Some("api_error")
    }

    /// Whether the turn was cut short by an interrupt.
    pub fn was_aborted(&self) -> bool {
        self.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_fields_do_not_hide_that_the_turn_has_ended() {
        let line = br#"{"type":"result","subtype":"success","is_error":false,"errors":null,"result":null,
            "num_turns":2.5,"user_message_uuids":null,"user_message_uuid":"00000000-0000-0000-0000-000000000007",
            "model_usage_since_last_result":{"m":{"inputTokens":null,"outputTokens":5,"costUSD":"?"}}}"#;
        let result = TurnResult::read(line).expect("a result");
        assert_eq!(result.subtype, "success");
        assert_eq!((result.errors.len(), result.result, result.num_turns), (0, None, 0));
        assert_eq!(result.user_message_uuid, Some(Uuid::from_u128(7)));
        assert_eq!(
            result.model_usage_since_last_result,
            BTreeMap::from([("m".into(), ModelUsage { output_tokens: 5, ..ModelUsage::default() })])
        );
    }
}

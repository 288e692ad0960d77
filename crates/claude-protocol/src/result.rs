//! The `result` line: how a turn ended (protocol section 7).

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

/// Tokens and cost of one model, in the CLI's words.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
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

/// The end of a turn. Judge it by `is_error`, `subtype`, `terminal_reason` and `api_error_status` together: API
/// failures come as `subtype: "success"` with `is_error` set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct TurnResult {
    /// `success`, `error_during_execution`, `error_max_turns`, ...
    pub subtype: String,
    /// Whether it failed.
    pub is_error: bool,
    /// `completed`, `aborted_streaming`, `aborted_tools`, `api_error`, `max_turns`, ...
    pub terminal_reason: Option<String>,
    /// HTTP status of the API's refusal.
    pub api_error_status: Option<u16>,
    /// The final text, or what the API's failure was.
    pub result: Option<String>,
    /// Diagnostics of the error subtypes.
    pub errors: Vec<String>,
    /// Model answers and tool rounds as the CLI counts them.
    pub num_turns: u64,
    /// Uuids of the prompts that this turn answered. Empty for a turn that nobody sent.
    pub user_message_uuids: Vec<Uuid>,
    /// Uuid of the last of them.
    pub user_message_uuid: Option<Uuid>,
    /// Usage since the previous result of this process, by model, sub-agents included.
    pub model_usage_since_last_result: BTreeMap<String, ModelUsage>,
    /// Cost in US dollars since the conversation began.
    pub total_cost_usd: f64,
    /// Prompts that still wait.
    pub queued_turn_count: u64,
}

impl TurnResult {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether this turn answered the prompt with that uuid.
    pub fn answers(&self, prompt: Uuid) -> bool {
        self.user_message_uuid == Some(prompt) || self.user_message_uuids.contains(&prompt)
    }

    /// Whether the turn was cut short by an interrupt.
    pub fn was_aborted(&self) -> bool {
        self.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted"))
    }
}

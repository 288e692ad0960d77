//! The `result` line: how a turn ended (protocol section 7).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

/// A field that is null or of another type counts as left out: one odd field must not hide that a turn has ended.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Tokens and cost of one model, in the CLI's words.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ModelUsage {
    /// Input outside the prompt cache.
    #[serde(deserialize_with = "lenient")]
    pub input_tokens: u64,
    /// Output.
    #[serde(deserialize_with = "lenient")]
    pub output_tokens: u64,
    /// Input read from the cache.
    #[serde(deserialize_with = "lenient")]
    pub cache_read_input_tokens: u64,
    /// Input written to the cache.
    #[serde(deserialize_with = "lenient")]
    pub cache_creation_input_tokens: u64,
    /// Cost in US dollars.
    #[serde(rename = "costUSD", deserialize_with = "lenient")]
    pub cost_usd: f64,
}

/// The end of a turn. Judge it by `is_error`, `subtype` and `terminal_reason` together: API failures come as
/// `subtype: "success"` with `is_error` set.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct TurnResult {
    /// `success`, `error_during_execution`, `error_max_turns`, ...
    #[serde(deserialize_with = "lenient")]
    pub subtype: String,
    /// Whether it failed.
    #[serde(deserialize_with = "lenient")]
    pub is_error: bool,
    /// `completed`, `aborted_streaming`, `aborted_tools`, `api_error`, `max_turns`, ...
    #[serde(deserialize_with = "lenient")]
    pub terminal_reason: Option<String>,
    /// The final text, or what the API's failure was.
    #[serde(deserialize_with = "lenient")]
    pub result: Option<String>,
    /// Diagnostics of the error subtypes.
    #[serde(deserialize_with = "lenient")]
    pub errors: Vec<String>,
    /// Model answers and tool rounds as the CLI counts them.
    #[serde(deserialize_with = "lenient")]
    pub num_turns: u64,
    /// Uuids of the prompts that this turn answered. Empty for a turn that nobody sent.
    #[serde(deserialize_with = "lenient")]
    pub user_message_uuids: Vec<Uuid>,
    /// Uuid of the last of them.
    #[serde(deserialize_with = "lenient")]
    pub user_message_uuid: Option<Uuid>,
    /// Usage since the previous result of this process, by model, sub-agents included.
    #[serde(deserialize_with = "lenient")]
    pub model_usage_since_last_result: BTreeMap<String, ModelUsage>,
}

impl TurnResult {
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
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
        let expected = TurnResult {
            subtype: "success".into(),
            user_message_uuid: Some(Uuid::from_u128(7)),
            model_usage_since_last_result: BTreeMap::from([(
                "m".into(),
                ModelUsage { output_tokens: 5, ..ModelUsage::default() },
            )]),
            ..TurnResult::default()
        };
        assert_eq!(TurnResult::read(line), Some(expected));
    }
}

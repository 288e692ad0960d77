//! The `initialize` request (protocol section 8): what is better not on a command line, because it is long, secret
//! or about callbacks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What happens to a tool call when a hook's callback fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It does not run.
    #[default]
    Block,
    /// It runs, as the CLI does by itself.
    Allow,
}

/// When callbacks of ours are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookMatcher {
    /// A pattern of tool names, such as `Bash|Write`; every one when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matcher: Option<String>,
    /// Names that come back in the call.
    pub hook_callback_ids: Vec<String>,
    /// Seconds until the CLI gives up waiting; 60 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// What a failure does.
    #[serde(skip_serializing_if = "is_allow")]
    pub on_failure: OnFailure,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_allow(on_failure: &OnFailure) -> bool {
    *on_failure == OnFailure::Allow
}

/// A sub-agent that the model may call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentDefinition {
    /// When to call it.
    pub description: String,
    /// Its system prompt.
    pub prompt: String,
    /// Its tools; all of the main agent's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Its model; the main agent's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Opens the conversation; its answer means that the CLI is ready.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialize {
    /// Callbacks by event (`PreToolUse`, `Stop`, ...).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, Vec<HookMatcher>>,
    /// MCP servers that we are ourselves; their messages come as `mcp_message`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sdk_mcp_servers: Vec<String>,
    /// Other MCP servers by name, as in `.mcp.json`. Needs `await_initialize`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub mcp_servers: Map<String, Value>,
    /// Instead of Claude Code's own system prompt.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_list")]
    pub system_prompt: Option<String>,
    /// After the system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_system_prompt: Option<String>,
    /// Leaves out what differs between users, for a shared prompt cache.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exclude_dynamic_sections: bool,
    /// JSON schema of the answer, which then comes as `structured_output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Box<RawValue>>,
    /// Sub-agents by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<String, AgentDefinition>,
    /// Skills by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skills: Option<Vec<String>>,
    /// The conversation's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether the text of sub-agents is sent too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forward_subagent_text: bool,
    /// Whether background agents survive an interrupt, because we stop tasks one by one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub per_task_stop_affordance: bool,
    /// What the model is told in plan mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_mode_instructions: Option<String>,
}

/// The CLI takes a list of sections.
fn as_list<S: serde::Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_slice().serialize(serializer)
}

//! What the CLI asks us (protocol section 9). It waits for an answer to each without a time limit.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A question of the CLI.
#[derive(Debug)]
pub enum ControlRequest {
    /// May this tool run?
    CanUseTool(Box<CanUseTool>),
    /// A hook of ours is due.
    HookCallback(HookCallback),
    /// A message for an MCP server that we are ourselves.
    McpMessage(McpMessage),
    /// An MCP server wants something from a person.
    Elicitation(Box<RawValue>),
    /// A question that this version does not know; it must be answered with an error.
    Other {
        /// Its subtype.
        subtype: String,
    },
}

/// May this tool run?
#[derive(Debug, Clone, Deserialize)]
pub struct CanUseTool {
    /// The tool.
    pub tool_name: String,
    /// The call.
    pub tool_use_id: String,
    /// Its input.
    pub input: Box<RawValue>,
    /// The call in a line, for people.
    pub description: Option<String>,
    /// Changes of the permissions that would let such calls run from now on.
    #[serde(default, deserialize_with = "known_updates")]
    pub permission_suggestions: Vec<PermissionUpdate>,
    /// Why the CLI asks.
    pub decision_reason: Option<String>,
    /// `rule`, `mode`, `hook`, `safetyCheck`, ...
    pub decision_reason_type: Option<String>,
    /// A path outside the working directories that the call would touch.
    pub blocked_path: Option<String>,
    /// The sub-agent that calls.
    pub agent_id: Option<String>,
    /// Whether only a person can answer: a question or the approval of a plan.
    #[serde(default)]
    pub requires_user_interaction: bool,
}

/// A hook of ours is due.
#[derive(Debug, Clone, Deserialize)]
pub struct HookCallback {
    /// The name that [`HookMatcher`](crate::HookMatcher) gave it.
    pub callback_id: String,
    /// What happened; `hook_event_name` tells the kind.
    pub input: Box<RawValue>,
    /// The tool call that it is about.
    pub tool_use_id: Option<String>,
}

/// A JSON-RPC message for an MCP server of ours.
#[derive(Debug, Clone, Deserialize)]
pub struct McpMessage {
    /// Which server.
    pub server_name: String,
    /// The message.
    pub message: Box<RawValue>,
}

/// A permission rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The tool.
    pub tool_name: String,
    /// Which of its calls; all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_content: Option<String>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleBehavior {
    /// The call runs.
    Allow,
    /// It does not.
    Deny,
    /// We are asked.
    Ask,
}

/// Where a change of the permissions is kept. All but the session are files; `LocalSettings` lies in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    /// This process only.
    Session,
    /// `.claude/settings.local.json` of the working directory.
    LocalSettings,
    /// `.claude/settings.json` of the working directory.
    ProjectSettings,
    /// The user's own settings.
    UserSettings,
    /// As if given on the command line.
    CliArg,
}

/// A change of the permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum PermissionUpdate {
    /// Adds rules.
    AddRules {
        /// The rules.
        rules: Vec<Rule>,
        /// What they do.
        behavior: RuleBehavior,
        /// Where they are kept.
        destination: Destination,
    },
    /// Replaces the rules of that behaviour.
    ReplaceRules {
        /// The rules.
        rules: Vec<Rule>,
        /// What they do.
        behavior: RuleBehavior,
        /// Where they are kept.
        destination: Destination,
    },
    /// Removes rules.
    RemoveRules {
        /// The rules.
        rules: Vec<Rule>,
        /// What they did.
        behavior: RuleBehavior,
        /// Where they are kept.
        destination: Destination,
    },
    /// Changes the permission mode.
    SetMode {
        /// The CLI's word for it.
        mode: String,
        /// Where it is kept.
        destination: Destination,
    },
    /// Adds folders to work in.
    AddDirectories {
        /// The folders.
        directories: Vec<String>,
        /// Where they are kept.
        destination: Destination,
    },
    /// Removes folders to work in.
    RemoveDirectories {
        /// The folders.
        directories: Vec<String>,
        /// Where they are kept.
        destination: Destination,
    },
}

impl PermissionUpdate {
    /// The same change for this process only: on a server no answer may write into a repository or the settings of
    /// other tasks, as the CLI's own suggestions would.
    #[must_use]
    pub fn for_session(mut self) -> Self {
        match &mut self {
            Self::AddRules { destination, .. }
            | Self::ReplaceRules { destination, .. }
            | Self::RemoveRules { destination, .. }
            | Self::SetMode { destination, .. }
            | Self::AddDirectories { destination, .. }
            | Self::RemoveDirectories { destination, .. } => *destination = Destination::Session,
        }
        self
    }
}

/// A suggestion of a kind that this version does not know is left out: the question still has to be answered.
fn known_updates<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<PermissionUpdate>, D::Error> {
    let raw = Option::<Vec<Box<RawValue>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(raw.iter().filter_map(|update| serde_json::from_str(update.get()).ok()).collect())
}

#[derive(Deserialize)]
struct RequestLine<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
}

#[derive(Deserialize)]
struct Subtype {
    #[serde(default)]
    subtype: String,
}

impl ControlRequest {
    /// Reads the question of a `control_request` line. One with odd fields is [`Self::Other`]: it needs an answer too.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let line: RequestLine<'_> = serde_json::from_slice(line).ok()?;
        let request = line.request.get();
        let Subtype { subtype } = serde_json::from_str(request).ok()?;
        let known = match subtype.as_str() {
            "can_use_tool" => serde_json::from_str(request).ok().map(Box::new).map(Self::CanUseTool),
            "hook_callback" => serde_json::from_str(request).ok().map(Self::HookCallback),
            "mcp_message" => serde_json::from_str(request).ok().map(Self::McpMessage),
            "elicitation" => Some(Self::Elicitation(line.request.to_owned())),
            _ => None,
        };
        Some(known.unwrap_or(Self::Other { subtype }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggestion(destination: Destination) -> PermissionUpdate {
        PermissionUpdate::AddRules {
            rules: vec![Rule { tool_name: "Bash".into(), rule_content: Some("touch b.txt".into()) }],
            behavior: RuleBehavior::Allow,
            destination,
        }
    }

    #[test]
    fn suggestions_are_read_and_an_unknown_one_hides_nothing() {
        let line = br#"{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","tool_name":"Bash",
            "input":{"command":"touch b.txt"},"tool_use_id":"t","permission_suggestions":[{"type":"addRules","rules":
            [{"toolName":"Bash","ruleContent":"touch b.txt"}],"behavior":"allow","destination":"localSettings"},
            {"type":"new in the next version"},{"type":"setMode","mode":"acceptEdits","destination":"session"}]}}"#;
        let Some(ControlRequest::CanUseTool(ask)) = ControlRequest::read(line) else { panic!("no question") };
        let mode =
            PermissionUpdate::SetMode { mode: "acceptEdits".into(), destination: Destination::Session };
        assert_eq!(ask.permission_suggestions, [suggestion(Destination::LocalSettings), mode]);
        assert_eq!(ask.input.get(), r#"{"command":"touch b.txt"}"#);
    }

    #[test]
    fn an_update_can_be_kept_out_of_the_repository() {
        assert_eq!(suggestion(Destination::LocalSettings).for_session(), suggestion(Destination::Session));
    }

    #[test]
    fn a_question_with_odd_fields_is_a_question_still() {
        let line = br#"{"request_id":"r","request":{"subtype":"can_use_tool","tool_name":7}}"#;
        assert!(
            matches!(ControlRequest::read(line), Some(ControlRequest::Other { subtype }) if subtype == "can_use_tool")
        );
    }
}

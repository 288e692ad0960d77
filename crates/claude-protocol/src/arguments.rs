//! The command line (protocol section 2). Every value that comes from outside is one token with its flag, so that
//! no value can become a flag.

use serde_json::json;
use uuid::Uuid;

/// Which conversation the process carries on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// A new one under this id.
    New(Uuid),
    /// The one with this id.
    Resume(Uuid),
}

/// What the process is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchOptions {
    /// Which conversation.
    pub conversation: Conversation,
    /// Tools or rules that run without asking.
    pub allowed_tools: Vec<String>,
    /// Tools that do not exist for this agent.
    pub disallowed_tools: Vec<String>,
    /// Tools that ask first even where the permission mode would let them run.
    pub ask_tools: Vec<String>,
    /// The CLI's word for the permission mode.
    pub permission_mode: &'static str,
    /// Most model answers in a turn.
    pub max_turns: Option<u32>,
    /// Model name or alias.
    pub model: Option<String>,
    /// Which settings files are read: `user`, `project`, `local`. Project settings run code of the repository.
    pub setting_sources: Vec<String>,
}

impl LaunchOptions {
    /// The arguments after the program's name.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["--output-format=stream-json", "--verbose", "--input-format=stream-json"]
                .map(str::to_owned)
                .into();
        let mut option = |name: &str, value: &str| arguments.push(format!("--{name}={value}"));
        option("permission-prompt-tool", "stdio");
        option("permission-mode", self.permission_mode);
        option("setting-sources", &self.setting_sources.join(","));
        option("settings", &self.settings());
        match self.conversation {
            Conversation::New(id) => option("session-id", &id.to_string()),
            Conversation::Resume(id) => option("resume", &id.to_string()),
        }
        if !self.allowed_tools.is_empty() {
            option("allowedTools", &self.allowed_tools.join(","));
        }
        if !self.disallowed_tools.is_empty() {
            option("disallowedTools", &self.disallowed_tools.join(","));
        }
        if let Some(turns) = self.max_turns {
            option("max-turns", &turns.to_string());
        }
        if let Some(model) = &self.model {
            option("model", model);
        }
        arguments.push("--include-partial-messages".to_owned());
        if !self.setting_sources.iter().any(|source| source == "project") {
            arguments.push("--strict-mcp-config".to_owned());
        }
        arguments
    }

    fn settings(&self) -> String {
        // Sessions of one user could otherwise send each other prompts (section 1, rule 14).
        json!({"crossSessionInbound": "refuse", "permissions": {"ask": self.ask_tools}}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_becomes_a_flag() {
        let options = LaunchOptions {
            conversation: Conversation::Resume(Uuid::nil()),
            allowed_tools: vec!["--dangerously-skip-permissions".into(), "Bash(git *)".into()],
            disallowed_tools: vec!["SendMessage".into()],
            ask_tools: vec!["Write".into()],
            permission_mode: "acceptEdits",
            max_turns: Some(5),
            model: Some("--bare".into()),
            setting_sources: vec![],
        };
        assert_eq!(
            options.arguments(),
            [
                "--output-format=stream-json",
                "--verbose",
                "--input-format=stream-json",
                "--permission-prompt-tool=stdio",
                "--permission-mode=acceptEdits",
                "--setting-sources=",
                "--settings={\"crossSessionInbound\":\"refuse\",\"permissions\":{\"ask\":[\"Write\"]}}",
                "--resume=00000000-0000-0000-0000-000000000000",
                "--allowedTools=--dangerously-skip-permissions,Bash(git *)",
                "--disallowedTools=SendMessage",
                "--max-turns=5",
                "--model=--bare",
                "--include-partial-messages",
                "--strict-mcp-config",
            ]
        );
    }
}

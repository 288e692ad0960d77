//! Which tools an agent may use, and what it is told when it may not. No agent waits for an answer: what the task's
//! options do not allow is refused at once, with the reason, or ends the turn until a person has decided.

use async_trait::async_trait;
use claude_protocol::{CanUseTool, PermissionAnswer};
use domain::{Answer, PermissionMode};
use serde_json::value::RawValue;

use super::input::digest;
use crate::{AgentSpec, Asked, Asking, PermissionHandler};

/// Tools that reach other sessions of this machine or start work that no task owns (protocol section 15).
const OUT_OF_BOUNDS: [&str; 7] =
    ["ListAgents", "SendMessage", "CronCreate", "CronDelete", "CronList", "ScheduleWakeup", "RemoteTrigger"];

/// Built-in tools that change something or reach out: they run only when the task's options name them.
const CONSEQUENTIAL: [&str; 6] = ["Bash", "Write", "Edit", "NotebookEdit", "WebFetch", "WebSearch"];

/// What a task's options permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permissions {
    allowed_tools: Vec<String>,
    mode: PermissionMode,
    asking: Asking,
}

impl Permissions {
    pub(crate) fn new(spec: &AgentSpec) -> Self {
        Self {
            allowed_tools: spec.allowed_tools.clone(),
            mode: spec.permission_mode,
            asking: spec.asking.clone(),
        }
    }

    pub(crate) fn removed_tools() -> Vec<String> {
        OUT_OF_BOUNDS.map(str::to_owned).into()
    }

    /// Tools that must ask even where the mode would let them run, because the options do not name them.
    pub(crate) fn ask_tools(&self) -> Vec<String> {
        if self.mode == PermissionMode::BypassPermissions {
            return Vec::new();
        }
        CONSEQUENTIAL.into_iter().filter(|tool| !self.names(tool)).map(str::to_owned).collect()
    }

    fn names(&self, tool: &str) -> bool {
        let named = |wanted: &str| {
            self.allowed_tools
                .iter()
                .any(|rule| rule.split('(').next().is_some_and(|name| name.trim() == wanted))
        };
        named(tool) || (tool == "NotebookEdit" && named("Edit"))
    }

    /// The answer to "may this tool run?".
    pub(crate) fn answer(&self, ask: &CanUseTool) -> PermissionAnswer {
        match self.known_answer(ask) {
            Some(answer) if answer.allow => {
                let input = answer.updated_input.clone().map(RawValue::from_string);
                let updated_input = input.and_then(Result::ok);
                PermissionAnswer::Allow { updated_input, updated_permissions: Vec::new() }
            }
            Some(answer) => {
                let message =
                    answer.message.as_deref().unwrap_or("a person has decided that it must not run");
                PermissionAnswer::deny(format!("{} was refused: {message}", ask.tool_name))
            }
            None if self.is_for_a_person(ask) => {
                let message = "a person is to decide about this call".to_owned();
                PermissionAnswer::Deny { message, interrupt: true }
            }
            None => PermissionAnswer::deny(self.refusal(ask)),
        }
    }

    /// Sub-agents work side by side: one's question must not end the others.
    fn is_for_a_person(&self, ask: &CanUseTool) -> bool {
        self.asking.is_possible && ask.agent_id.is_none()
    }

    /// The last answer counts.
    fn known_answer(&self, ask: &CanUseTool) -> Option<&Answer> {
        let mut answered =
            self.asking.answered.iter().rev().filter(|known| known.question.tool == ask.tool_name);
        if self.asking.answered.is_empty() {
            return None;
        }
        let digest = digest(&ask.input);
        let known = answered.find(|known| known.question.digest == digest || known.answer.remember)?;
        Some(&known.answer)
    }

    fn refusal(&self, ask: &CanUseTool) -> String {
        match ask.tool_name.as_str() {
            "AskUserQuestion" => {
                "nobody is there to answer questions in this task: decide yourself and say in the \
                                  final answer what you assumed"
                    .to_owned()
            }
            "ExitPlanMode" => {
                "nobody is there to approve the plan in this task: give the plan as the final answer"
                    .to_owned()
            }
            tool => {
                let mut reason = format!(
                    "{tool} was refused: this task allows {} and runs in permission mode {}",
                    self.allowed_list(),
                    self.mode.as_str()
                );
                if let Some(why) = &ask.decision_reason {
                    reason.push_str(&format!(" ({why})"));
                }
                if let Some(path) = &ask.blocked_path {
                    reason.push_str(&format!("; it would touch {path}"));
                }
                reason.push_str(". Nobody is there to ask: go on without it");
                reason
            }
        }
    }

    fn allowed_list(&self) -> String {
        if self.allowed_tools.is_empty() {
            "no tools by name".to_owned()
        } else {
            self.allowed_tools.join(", ")
        }
    }
}

#[async_trait]
impl PermissionHandler for Permissions {
    async fn decide(&self, ask: CanUseTool) -> PermissionAnswer {
        self.answer(&ask)
    }

    fn refer(&self, ask: &CanUseTool) -> Option<Box<Asked>> {
        let open = self.is_for_a_person(ask) && self.known_answer(ask).is_none();
        open.then(|| {
            Box::new(Asked {
                tool_use_id: ask.tool_use_id.clone(),
                tool: ask.tool_name.clone(),
                input: ask.input.clone(),
                digest: digest(&ask.input),
                description: ask.description.clone(),
                reason: ask.decision_reason.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(allowed: &[&str], mode: PermissionMode) -> Permissions {
        let allowed_tools = allowed.iter().map(|&tool| tool.to_owned()).collect();
        Permissions { allowed_tools, mode, asking: Asking::default() }
    }

    fn ask(tool: &str) -> CanUseTool {
        let ask = serde_json::json!({
            "tool_name": tool, "tool_use_id": "t", "input": {}, "decision_reason": "matched rule",
        });
        serde_json::from_value(ask).expect("a question")
    }

    #[test]
    fn consequential_tools_that_are_not_named_must_ask() {
        assert_eq!(
            permissions(&["Read", "Bash(git *)", "Edit"], PermissionMode::AcceptEdits).ask_tools(),
            ["Write", "WebFetch", "WebSearch"]
        );
        assert_eq!(permissions(&[], PermissionMode::BypassPermissions).ask_tools(), Vec::<String>::new());
    }

    #[test]
    fn a_refusal_says_what_is_allowed() {
        assert_eq!(
            permissions(&["Read", "Grep"], PermissionMode::AcceptEdits).refusal(&ask("Write")),
            "Write was refused: this task allows Read, Grep and runs in permission mode acceptEdits \
                          (matched rule). Nobody is there to ask: go on without it"
        );
    }
}

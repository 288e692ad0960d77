//! Which tools an agent may use, and what it is told when it may not. No agent waits for an answer: what the task's
//! options do not allow is refused at once, with the reason, or ends the turn until a person has decided.

use async_trait::async_trait;
use claude_protocol::{CanUseTool, PermissionAnswer};
use domain::{Answer, Answered, PermissionMode};
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
            Some((answer, is_that_call)) if answer.allow => {
                // Other calls that are allowed with it keep their own.
                let input = answer.updated_input.clone().filter(|_| is_that_call).map(RawValue::from_string);
                let updated_input = input.and_then(Result::ok);
                PermissionAnswer::Allow { updated_input, updated_permissions: Vec::new() }
            }
            Some((answer, _)) => {
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

    /// The last answer counts. Tells whether it is about just this call: as it was asked about, or as it was changed.
    fn known_answer(&self, ask: &CanUseTool) -> Option<(&Answer, bool)> {
        if self.asking.answered.is_empty() {
            return None;
        }
        let asked = digest(&ask.input);
        let of_tool = self.asking.answered.iter().rev().filter(|known| known.question.tool == ask.tool_name);
        let mut judged = of_tool.map(|Answered { question, answer, .. }| {
            let updated = answer.updated_input.clone().and_then(|input| RawValue::from_string(input).ok());
            let is_that_call =
                question.digest == asked || updated.is_some_and(|updated| digest(&updated) == asked);
            (answer, is_that_call)
        });
        judged.find(|(answer, is_that_call)| *is_that_call || answer.remember)
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

    fn answered(input: &str, answer: Answer) -> Answered {
        let input = RawValue::from_string(input.into()).expect("JSON");
        let question = domain::Question {
            id: domain::QuestionId::generate(),
            tool_use_id: "t".into(),
            tool: "Bash".into(),
            digest: digest(&input),
            input: None,
            description: None,
            reason: None,
            asked_at: domain::Timestamp::from_millis(0),
        };
        Answered { question, answer, at: domain::Timestamp::from_millis(0) }
    }

    fn call(tool: &str, input: &str) -> CanUseTool {
        CanUseTool { input: RawValue::from_string(input.into()).expect("JSON"), ..ask(tool) }
    }

    /// What becomes of a call, in a word; an input that it runs with instead of its own is shown.
    fn judge(asking: Asking, ask: &CanUseTool) -> String {
        let permissions = Permissions { asking, ..permissions(&[], PermissionMode::Default) };
        match permissions.answer(ask) {
            PermissionAnswer::Allow { updated_input: Some(input), .. } => format!("allowed as {input}"),
            PermissionAnswer::Allow { .. } => "allowed".into(),
            PermissionAnswer::Deny { interrupt: true, .. } => "asked".into(),
            PermissionAnswer::Deny { .. } => "refused".into(),
        }
    }

    #[test]
    fn an_answer_decides_about_its_call_and_no_other_unless_it_says_so() {
        let allow = |remember, updated: Option<&str>| {
            let updated_input = updated.map(str::to_owned);
            let answer = Answer { allow: true, message: None, updated_input, remember };
            Asking { is_possible: true, answered: vec![answered(r#"{"command":"ls"}"#, answer)] }
        };
        let (same, other) = (r#"{ "command": "ls" }"#, r#"{"command":"rm -r ."}"#);
        for (asking, tool, input, expected) in [
            (allow(false, None), "Bash", same, "allowed"),
            (allow(false, None), "Bash", other, "asked"),
            (allow(false, None), "Write", same, "asked"),
            (allow(true, None), "Bash", other, "allowed"),
            (allow(true, None), "Write", same, "asked"),
            (allow(false, Some("{}")), "Bash", same, "allowed as {}"),
            (allow(false, Some("{}")), "Bash", "{}", "allowed as {}"),
            (allow(true, Some("{}")), "Bash", other, "allowed"),
            (Asking { is_possible: false, ..allow(false, None) }, "Bash", other, "refused"),
        ] {
            assert_eq!(judge(asking.clone(), &call(tool, input)), expected, "{tool} {input} {asking:?}");
        }
        let sub_agent = CanUseTool { agent_id: Some("a".into()), ..call("Bash", other) };
        assert_eq!(judge(allow(false, None), &sub_agent), "refused");
        let denied = Answer { allow: false, message: None, updated_input: None, remember: true };
        let mut later = allow(true, None);
        later.answered.push(answered("{}", denied));
        assert_eq!(judge(later, &call("Bash", same)), "refused", "the last answer counts");
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

//! Which tools an agent may use, and what it is told when it may not. No agent waits for an answer: what the task's
//! options do not allow is refused at once, with the reason, or ends the turn until a person has decided.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use claude_protocol::{CanUseTool, PermissionAnswer};
use domain::{Answered, PermissionMode, QuestionId};
use serde_json::value::RawValue;

use super::input::digest;
use crate::{AgentSpec, Asked, Asking, PermissionHandler};

/// Tools that reach other sessions of this machine or start work that no task owns (protocol section 15).
const OUT_OF_BOUNDS: [&str; 7] =
    ["ListAgents", "SendMessage", "CronCreate", "CronDelete", "CronList", "ScheduleWakeup", "RemoteTrigger"];

/// Built-in tools that change something or reach out: they run only when the task's options name them.
const CONSEQUENTIAL: [&str; 6] = ["Bash", "Write", "Edit", "NotebookEdit", "WebFetch", "WebSearch"];

/// What a task's options permit.
#[derive(Debug)]
pub(crate) struct Permissions {
    allowed_tools: Vec<String>,
    mode: PermissionMode,
    asking: Asking,
    /// The permissions for one call that were used.
    used: Mutex<HashSet<QuestionId>>,
}

impl Permissions {
    pub(crate) fn new(spec: &AgentSpec) -> Self {
        Self {
            allowed_tools: spec.allowed_tools.clone(),
            mode: spec.permission_mode,
            asking: spec.asking.clone(),
            used: Mutex::default(),
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
            Some((Answered { question, answer, .. }, is_that_call)) if answer.allow => {
                self.used().insert(question.id);
                // Other calls that are allowed with it keep their own.
                let input = answer.updated_input.clone().filter(|_| is_that_call).map(RawValue::from_string);
                let updated_input = input.and_then(Result::ok);
                PermissionAnswer::Allow { updated_input, updated_permissions: Vec::new() }
            }
            Some((Answered { answer, .. }, _)) => {
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

    /// The answer that decides about a call, and whether it is about just this one: as it was asked about, or as it was changed.
    /// Such an answer goes before those that hold for a whole tool; of the same kind the last one counts. A permission for one
    /// call is used up by it, and none is a sub-agent's.
    fn known_answer(&self, ask: &CanUseTool) -> Option<(&Answered, bool)> {
        let may_decide = |known: &&Answered| {
            let is_allowance = known.answer.allow;
            known.question.tool == ask.tool_name
                && !(is_allowance && ask.agent_id.is_some())
                && !(is_allowance && !known.answer.remember && self.used().contains(&known.question.id))
        };
        let of_tool: Vec<_> = self.asking.answered.iter().rev().filter(may_decide).collect();
        if of_tool.is_empty() {
            return None;
        }
        let asked = digest(&ask.input);
        let is_that_call = |known: &&Answered| {
            let updated =
                known.answer.updated_input.clone().and_then(|input| RawValue::from_string(input).ok());
            known.question.digest == asked || updated.is_some_and(|updated| digest(&updated) == asked)
        };
        let exact = of_tool.iter().copied().find(is_that_call).map(|known| (known, true));
        exact.or_else(|| of_tool.into_iter().find(|known| known.answer.remember).map(|known| (known, false)))
    }

    fn used(&self) -> MutexGuard<'_, HashSet<QuestionId>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
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
    use domain::Answer;

    use super::*;

    fn permissions(allowed: &[&str], mode: PermissionMode) -> Permissions {
        let allowed_tools = allowed.iter().map(|&tool| tool.to_owned()).collect();
        Permissions { allowed_tools, mode, asking: Asking::default(), used: Mutex::default() }
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
            turns: 0,
            background: 0,
        };
        Answered { question, answer, at: domain::Timestamp::from_millis(0) }
    }

    fn call(tool: &str, input: &str) -> CanUseTool {
        CanUseTool { input: RawValue::from_string(input.into()).expect("JSON"), ..ask(tool) }
    }

    fn asking(answered: Vec<Answered>) -> Permissions {
        let asking = Asking { is_possible: true, answered };
        Permissions { asking, ..permissions(&[], PermissionMode::Default) }
    }

    fn answer(allow: bool, remember: bool, updated: Option<&str>) -> Answer {
        let updated_input = updated.map(str::to_owned);
        Answer { allow, message: None, updated_input, remember, expired: false }
    }

    /// What becomes of a call, in a word; an input that it runs with instead of its own is shown.
    fn judge(permissions: &Permissions, ask: &CanUseTool) -> String {
        match permissions.answer(ask) {
            PermissionAnswer::Allow { updated_input: Some(input), .. } => format!("allowed as {input}"),
            PermissionAnswer::Allow { .. } => "allowed".into(),
            PermissionAnswer::Deny { interrupt: true, .. } => "asked".into(),
            PermissionAnswer::Deny { .. } => "refused".into(),
        }
    }

    const LS: &str = r#"{"command":"ls"}"#;
    const RM: &str = r#"{"command":"rm -r ."}"#;

    #[test]
    fn an_answer_decides_about_its_call_and_no_other_unless_it_says_so() {
        for (remember, updated, tool, input, expected) in [
            (false, None, "Bash", r#"{ "command": "ls" }"#, "allowed"),
            (false, None, "Bash", RM, "asked"),
            (false, None, "Write", LS, "asked"),
            (true, None, "Bash", RM, "allowed"),
            (true, None, "Write", LS, "asked"),
            (false, Some("{}"), "Bash", LS, "allowed as {}"),
            (false, Some("{}"), "Bash", "{}", "allowed as {}"),
            (true, Some("{}"), "Bash", RM, "allowed"),
        ] {
            let permissions = asking(vec![answered(LS, answer(true, remember, updated))]);
            assert_eq!(judge(&permissions, &call(tool, input)), expected, "{tool} {input} {permissions:?}");
        }
        let nobody = Permissions { asking: Asking::default(), ..asking(Vec::new()) };
        assert_eq!(judge(&nobody, &call("Bash", RM)), "refused");
    }

    #[test]
    fn a_permission_for_one_call_is_used_up_and_one_for_a_tool_is_not() {
        let once = asking(vec![answered(LS, answer(true, false, None))]);
        assert_eq!([judge(&once, &call("Bash", LS)), judge(&once, &call("Bash", LS))], ["allowed", "asked"]);
        let always = asking(vec![answered(LS, answer(true, true, None))]);
        assert_eq!(
            [judge(&always, &call("Bash", LS)), judge(&always, &call("Bash", LS))],
            ["allowed", "allowed"]
        );
    }

    #[test]
    fn what_was_denied_stays_denied_and_no_permission_is_a_sub_agents() {
        let (allow_all, deny_all) = (answer(true, true, None), answer(false, true, None));
        let denied = || answered(RM, answer(false, false, None));
        let permissions = asking(vec![denied(), answered(LS, allow_all.clone())]);
        assert_eq!(judge(&permissions, &call("Bash", RM)), "refused", "although Bash was allowed later");
        assert_eq!(judge(&permissions, &call("Bash", LS)), "allowed");
        let sub_agent = |input| CanUseTool { agent_id: Some("a".into()), ..call("Bash", input) };
        assert_eq!(
            [judge(&permissions, &sub_agent(LS)), judge(&permissions, &sub_agent(RM))],
            ["refused", "refused"]
        );
        let later = asking(vec![answered(LS, allow_all), answered("{}", deny_all)]);
        assert_eq!(judge(&later, &call("Bash", RM)), "refused", "the last answer for the tool counts");
        assert_eq!(judge(&later, &call("Bash", LS)), "allowed", "the answer to just that call goes first");
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

//! How an attempt begins: in which conversation, and with which prompt.

use agent::{AgentSpec, Asking, LaunchError, Launcher, Opening};
use domain::{Answered, Clock, ConversationId, OnQuestion, PermissionMode, Policy, Progress, Questions};
use std::time::Duration;
use store::{Claimed, WaitReason};
use uuid::Uuid;

use super::messages::Earlier;
use crate::settings::Settings;

/// What an agent is told to go on with a turn that was cut off.
const CONTINUATION: &str = "Continue from where you left off.";
/// Most bytes of a call's input that are repeated to the agent: it has it in its conversation too.
const MOST_INPUT_REPEATED: usize = 4 * 1024;
/// A task that the model API refuses for so long is given up, and no longer wait is believed.
pub(super) const PARKED_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// What the agent is told once it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The task's prompt.
    Prompt,
    /// Nothing, if it runs its last turn again by itself; else to go on. The conversation holds the prompt.
    GoOn,
}

/// What the machine has to know of its attempt.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) start: Start,
    /// The id of the task's prompt, the same in every attempt.
    pub(super) prompt: Uuid,
    /// The ids of the requests to go on, of all attempts.
    pub(super) continuations: Vec<Uuid>,
    pub(super) text: String,
    /// What an agent is told that goes on with a turn that ended before its time, and its id.
    pub(super) continuation: (Uuid, String),
    /// The answer to a question that it is told with that.
    pub(super) tells: Option<Answered>,
    pub(super) timeout_seconds: u64,
    pub(super) policy: Policy,
    /// Attempts that failed before this one.
    pub(super) failures: u32,
    /// The counters of the attempts before this one.
    pub(super) progress: Progress,
    pub(super) cost_usd: f64,
    pub(super) stall_after_ms: u64,
    pub(super) is_durable: bool,
    pub(super) is_parked_too_long: bool,
    /// Whether the agent may ask people.
    pub(super) may_ask: bool,
    /// What people told the agents of earlier attempts.
    pub(super) messages: Earlier,
    /// What stands for the attempt in its trace.
    pub(super) trace_parent: Option<String>,
}

impl Plan {
    /// The plan for a claimed task, whatever its conversation turns out to be.
    pub(super) fn new(claimed: &Claimed, settings: &Settings, is_durable: bool, clock: &dyn Clock) -> Self {
        let task = &claimed.task;
        let parked = task.started_at.map(|started| clock.now().since(started)).unwrap_or_default();
        // What people take their time for is not the API's doing.
        let parked = parked.saturating_sub(task.questions.waited());
        Self {
            start: Start::Prompt,
            prompt: prompt_id(claimed, "prompt"),
            continuations: (1..=task.attempt)
                .map(|attempt| attempt_id(claimed, attempt))
                .chain(task.questions.answered.iter().map(|answered| answer_id(claimed, answered)))
                .collect(),
            text: task.spec.prompt.clone(),
            continuation: (attempt_id(claimed, task.attempt), CONTINUATION.to_owned()),
            tells: None,
            timeout_seconds: task.spec.options.timeout.as_secs(),
            policy: task.spec.policy,
            failures: task.failures,
            progress: task.progress,
            cost_usd: task.cost_usd,
            stall_after_ms: u64::try_from(settings.stall_after.as_millis()).unwrap_or(u64::MAX),
            is_durable,
            is_parked_too_long: parked > PARKED_AT_MOST,
            may_ask: task.spec.policy.on_question == OnQuestion::Ask,
            messages: Earlier::default(),
            trace_parent: None,
        }
    }

    /// How the attempt begins, for people.
    pub(super) fn describe(&self) -> &'static str {
        match self.start {
            Start::Prompt => "the prompt is sent",
            Start::GoOn => "the conversation goes on",
        }
    }

    /// Has the agent told the last answer, unless its conversation shows that one was.
    async fn tell_what_was_answered(
        &mut self,
        claimed: &Claimed,
        launcher: &dyn Launcher,
        written: ConversationId,
    ) {
        let Some(answered) = claimed.task.questions.answered.last() else { return };
        let id = answer_id(claimed, answered);
        if launcher.has_prompt(&claimed.task.spec.principal, written, id).await {
            return;
        }
        self.continuation = (id, tell_answer(answered, may_have_been_heard(claimed, answered)));
        self.tells = Some(answered.clone());
    }

    /// Whether a prompt is one of this task's.
    pub(super) fn owns(&self, prompt: Uuid) -> bool {
        prompt == self.prompt || self.continuations.contains(&prompt) || self.messages.known.contains(&prompt)
    }
}

fn attempt_id(claimed: &Claimed, attempt: u32) -> Uuid {
    prompt_id(claimed, &format!("attempt {attempt}"))
}

/// The id of what an agent is told about an answer: the conversation shows whether it was.
fn answer_id(claimed: &Claimed, answered: &Answered) -> Uuid {
    prompt_id(claimed, &format!("answer {}", answered.question.id))
}

/// Whether the model has answered since the question: then it may have been told, although its conversation does not show it.
fn may_have_been_heard(claimed: &Claimed, answered: &Answered) -> bool {
    claimed.task.progress.turns > answered.question.turns
}

/// What an agent is told about a question that it asked. The CLI let the call fail, as if the user had refused it.
fn tell_answer(Answered { question, answer, .. }: &Answered, may_have_run: bool) -> String {
    let input = question.input.as_ref().filter(|input| input.len() <= MOST_INPUT_REPEATED);
    let call = match input {
        Some(input) => format!("the call of {} with the input {input}", question.tool),
        None => format!("your last call of {}", question.tool),
    };
    let mut text = match (answer.allow, &answer.updated_input) {
        (false, _) if answer.expired => {
            format!("Nobody has decided in time about {call}: it must not run. Go on without it.")
        }
        (false, _) => format!("A person has decided about {call}: it must not run. Go on without it."),
        (true, _) if may_have_run => format!(
            "A person had allowed {call}. You were cut off since, and it is not known whether it has run: find out before \
             you make it again."
        ),
        (true, _) if question.is_plan() => "A person has approved your plan: carry it out.".to_owned(),
        (true, Some(updated)) => {
            format!(
                "A person has decided about {call}: it is allowed with this input: {updated}. Make it again."
            )
        }
        (true, None) => format!("A person has decided about {call}: it is allowed. Make it again just so."),
    };
    if let Some(message) = &answer.message {
        text.push_str(" They say: ");
        text.push_str(message);
    }
    if question.background > 0 {
        text.push_str(" What you had running in the background was ended when you asked.");
    }
    text
}

/// Ids that every attempt finds again, and that no other task has.
fn prompt_id(claimed: &Claimed, what: &str) -> Uuid {
    let task = &claimed.task;
    let name = format!("{} {} {what}", task.spec.task_id, task.created_at.millis());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// Decides in which conversation an attempt works, and what its agent is told.
pub(super) async fn opening(
    claimed: &Claimed,
    launcher: &dyn Launcher,
    plan: &mut Plan,
) -> Result<Opening, LaunchError> {
    let task = &claimed.task;
    let principal = &task.spec.principal;
    if let Some(written) = task.conversation.filter(|_| task.attempt > 1) {
        if launcher.has_prompt(principal, written, plan.prompt).await {
            plan.start = Start::GoOn;
            // The CLI runs a turn again that the model API failed. It would do so with one that was cut off too, but
            // forget a tool call that was at work, and so make it twice; asked to go on, it knows of the call.
            plan.tell_what_was_answered(claimed, launcher, written).await;
            let is_over = claimed.after == Some(WaitReason::CutOff) || plan.tells.is_some();
            return Ok(if is_over { Opening::Resume(written) } else { Opening::ResumeTurn(written) });
        }
        // The model had answered, so tools may have run: beginning anew would do their work twice.
        if task.progress.turns > 0 {
            return Err(LaunchError::ConversationLost);
        }
    }
    Ok(match (claimed.conversation, claimed.fork_from) {
        (Some(conversation), _) => Opening::Resume(conversation),
        (None, Some(from)) => Opening::Fork { from, to: ConversationId::generate() },
        (None, None) => Opening::New(ConversationId::generate()),
    })
}

/// What the agent is started with.
pub(super) fn agent_spec(claimed: &Claimed, opening: Opening, plan: &Plan) -> AgentSpec {
    let task = &claimed.task;
    let spec = &task.spec;
    let options = &spec.options;
    AgentSpec {
        opening,
        principal: spec.principal.clone(),
        working_directory: spec.working_directory.clone(),
        allowed_tools: options.allowed_tools.clone(),
        permission_mode: permission_mode(claimed),
        asking: asking(claimed, plan),
        max_turns: options.max_turns.map(|most| {
            let done = u32::try_from(task.progress.turns).unwrap_or(u32::MAX);
            most.saturating_sub(done).max(1)
        }),
        max_budget_usd: options.max_budget_usd.map(|budget| (budget - task.cost_usd).max(0.0)),
        model: options.model.clone(),
        more: options.agent.clone(),
        trace_parent: plan.trace_parent.clone(),
    }
}

/// A plan that was approved is to be carried out, also by the attempts after that.
fn permission_mode(claimed: &Claimed) -> PermissionMode {
    let mode = claimed.task.spec.options.permission_mode;
    let approved = |known: &Answered| known.question.is_plan() && known.answer.allow;
    let is_approved = claimed.task.questions.answered.iter().any(approved);
    if mode == PermissionMode::Plan && is_approved { PermissionMode::Default } else { mode }
}

/// What was answered holds for this attempt, too, except permissions for one call: such a one holds where it is told, and not if
/// the call may have run already.
fn asking(claimed: &Claimed, plan: &Plan) -> Asking {
    let task = &claimed.task;
    let current = plan.tells.as_ref().filter(|told| !may_have_been_heard(claimed, told));
    let holds = |known: &&Answered| {
        let is_current = current.is_some_and(|current| current.question.id == known.question.id);
        known.answer.remember || !known.answer.allow || is_current
    };
    Asking {
        is_possible: plan.may_ask && task.questions.answered.len() < Questions::MOST,
        answered: task.questions.answered.iter().filter(holds).cloned().collect(),
    }
}

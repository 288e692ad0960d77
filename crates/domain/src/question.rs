//! What an agent asks of people, and what they answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// What becomes of a tool call that a task's options do not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnQuestion {
    /// It is refused at once, and the agent goes on without it.
    #[default]
    Refuse,
    /// The task waits, without an agent, until somebody answers.
    Ask,
}

/// Names a question of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct QuestionId(pub Uuid);

impl QuestionId {
    /// A new one.
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads what [`Display`](std::fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::parse_str(text).ok().map(Self)
    }
}

impl std::fmt::Display for QuestionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// SHA-256 of a tool call's input, whatever the order of its keys: tells whether a call is the one that was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputDigest(pub [u8; 32]);

/// May this call of a tool run?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Which.
    pub id: QuestionId,
    /// The call; its whole input is in the task's log.
    pub tool_use_id: String,
    /// The tool.
    pub tool: String,
    /// Of its input.
    pub digest: InputDigest,
    /// Its input, as JSON; `None` when that is large.
    pub input: Option<String>,
    /// The call in a line, for people.
    pub description: Option<String>,
    /// Why it has to be asked.
    pub reason: Option<String>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// How often the model had answered by then, in this task.
    pub turns: u64,
    /// Background tasks that were ended with the turn.
    pub background: usize,
}

impl Question {
    /// Whether it wants a choice, and not a permission.
    pub fn is_choice(&self) -> bool {
        self.tool == CHOICE
    }

    /// Whether it is about a plan.
    pub fn is_plan(&self) -> bool {
        self.tool == PLAN
    }
}

/// The tools with which an agent asks people by itself.
const CHOICE: &str = "AskUserQuestion";
const PLAN: &str = "ExitPlanMode";

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the call may run.
    pub allow: bool,
    /// What the agent is told with it.
    pub message: Option<String>,
    /// The input, as JSON, that the call is to run with instead of its own.
    pub updated_input: Option<String>,
    /// Whether it holds for all further calls of the tool in this task, whatever their input.
    pub remember: bool,
    /// Whether nobody answered, and the time was up.
    pub expired: bool,
}

impl Answer {
    /// The answer of nobody.
    pub fn expired() -> Self {
        Self { allow: false, message: None, updated_input: None, remember: false, expired: true }
    }
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// Its answer.
    pub answer: Answer,
    /// When it was answered.
    pub at: Timestamp,
}

/// The questions of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Questions {
    /// The one that waits for its answer.
    pub open: Option<Box<Question>>,
    /// Those that have theirs, oldest first.
    pub answered: Vec<Answered>,
}

impl Questions {
    /// Most questions that a task may ask; further ones are refused.
    pub const MOST: usize = 100;

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.open.is_none() && self.answered.is_empty()
    }

    /// Answers the open question, if there is one. Of earlier ones, the inputs are no longer needed, except to understand an
    /// answer to a choice that is given again.
    pub fn answer(&mut self, answer: Answer, at: Timestamp) {
        if let Some(question) = self.open.take() {
            let permissions = self.answered.iter_mut().filter(|earlier| !earlier.question.is_choice());
            permissions.for_each(|earlier| earlier.question.input = None);
            self.answered.push(Answered { question: *question, answer, at });
        }
    }

    /// How long people took to answer, all in all.
    pub fn waited(&self) -> Duration {
        self.answered.iter().map(|answered| answered.at.since(answered.question.asked_at)).sum()
    }
}

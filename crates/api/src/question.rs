//! Questions of agents and their answers.

use domain::{Question, QuestionId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The call runs.
    Allow,
    /// It does not, and the agent goes on without it.
    Deny,
}

/// Body of an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AnswerRequest {
    /// The question, as the task's status names it.
    pub question_id: QuestionId,
    /// The decision.
    pub decision: Decision,
    /// What the agent is told with it.
    #[schema(max_length = 16_384)]
    pub message: Option<String>,
    /// Whether it holds for all further calls of the tool in this task; an answer to just such a call goes before it.
    pub remember: Option<bool>,
    /// The input that the call runs with instead of its own.
    #[schema(value_type = Option<Object>)]
    pub updated_input: Option<Box<RawValue>>,
    /// For the tool `AskUserQuestion`: the choice for each of its questions.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    pub answers: Option<Box<RawValue>>,
}

/// A question that a task waits for the answer to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QuestionBody {
    /// To be named by the answer.
    pub question_id: QuestionId,
    /// The tool whose call needs a permission.
    pub tool_name: String,
    /// The call's input; null when it is larger than 64 KiB: the task's `tool_use` event has it.
    #[schema(value_type = Option<Object>)]
    pub tool_input: Option<Box<RawValue>>,
    /// The call.
    pub tool_use_id: String,
    /// The call in a line.
    pub description: Option<String>,
    /// Why it has to be asked.
    pub reason: Option<String>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it is refused if nobody has answered.
    pub expires_at: Timestamp,
}

impl QuestionBody {
    /// A question that is refused at that time.
    pub fn new(question: &Question, expires_at: Timestamp) -> Self {
        let input = question.input.clone().and_then(|input| RawValue::from_string(input).ok());
        Self {
            question_id: question.id,
            tool_name: question.tool.clone(),
            tool_input: input,
            tool_use_id: question.tool_use_id.clone(),
            description: question.description.clone(),
            reason: question.reason.clone(),
            asked_at: question.asked_at,
            expires_at,
        }
    }
}

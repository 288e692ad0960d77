//! Questions of agents and their answers.

use domain::{Question, QuestionId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

/// A question that a task waits for the answer to.
#[derive(Debug, Clone, Serialize)]
pub struct QuestionBody {
    /// To be named by the answer.
    pub question_id: QuestionId,
    /// The tool whose call needs a permission.
    pub tool_name: String,
    /// The call's input; null when it is larger than 64 KiB: the task's `tool_use` event has it.
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

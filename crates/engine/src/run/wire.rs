//! What agents say, in the words of the API.

use agent::{Said, Statement, TurnEnd};
use api::{EventBody, MessageData, MessageType, ToolResultData, ToolUseData};
use domain::{Answered, Question, Timestamp};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use store::WaitReason;
use uuid::Uuid;

use super::machine::Again;
use super::messages::SUBTYPE;

/// The event for a statement.
pub(super) fn said(said: Said) -> EventBody {
    let Said { statement, parent_tool_use_id } = said;
    let message = |message_type, content, model| MessageData {
        message_type,
        content,
        model,
        subtype: None,
        data: None,
        parent_tool_use_id: None,
    };
    let mut body = match statement {
        Statement::Text { content, model } => message(MessageType::Assistant, content, Some(model)),
        Statement::Thinking { content, model } => message(MessageType::Thinking, content, Some(model)),
        Statement::User { content } => message(MessageType::User, content, None),
        Statement::System { subtype, data } => MessageData {
            subtype: Some(subtype),
            data: Some(data),
            ..message(MessageType::System, String::new(), None)
        },
        Statement::ToolUse { id, name, input } => {
            return EventBody::ToolUse(ToolUseData {
                tool_id: id,
                tool_name: name,
                tool_input: input,
                parent_tool_use_id,
            });
        }
        Statement::ToolResult { id, name, content, blocks, is_error, changed_file: _ } => {
            return EventBody::ToolResult(ToolResultData {
                tool_use_id: id,
                tool_name: name,
                content,
                is_error,
                content_blocks: blocks,
                parent_tool_use_id,
            });
        }
    };
    body.parent_tool_use_id = parent_tool_use_id;
    EventBody::Message(body)
}

/// The event for what a person says to the agent while it works.
pub(super) fn message(id: Uuid, text: &str) -> EventBody {
    EventBody::Message(MessageData {
        message_type: MessageType::User,
        content: text.to_owned(),
        model: None,
        subtype: Some(SUBTYPE.to_owned()),
        // An id can always be written.
        data: to_raw_value(&json!({"message_id": id})).ok(),
        parent_tool_use_id: None,
    })
}

/// The event for the end of a turn.
pub(super) fn turn_end(end: TurnEnd) -> EventBody {
    EventBody::Message(MessageData {
        message_type: MessageType::Result,
        content: end.text,
        model: None,
        subtype: Some(end.subtype),
        data: Some(end.data),
        parent_tool_use_id: None,
    })
}

/// The event for something that the server itself has to say about the task.
fn server_says(subtype: &str, content: String, data: &serde_json::Value) -> EventBody {
    EventBody::Message(MessageData {
        message_type: MessageType::System,
        content,
        model: None,
        subtype: Some(subtype.to_owned()),
        // Numbers and texts can always be written.
        data: to_raw_value(data).ok(),
        parent_tool_use_id: None,
    })
}

/// The event for a task that will be tried again.
pub(super) fn put_back(again: &Again) -> EventBody {
    let Again { reason, until, failed, cause, asked: _, background } = again;
    let content = match until {
        _ if *reason == WaitReason::Answer && *background > 0 => {
            format!("{cause}: waits for an answer; {background} background tasks are ended")
        }
        _ if *reason == WaitReason::Answer => format!("{cause}: waits for an answer"),
        Some(until) => format!("{cause}: goes on at {until}"),
        None => format!("{cause}: goes on in another attempt"),
    };
    server_says(
        "task_waits",
        content,
        &json!({"reason": reason, "until": until, "failed": failed, "cause": cause, "background_tasks_ended": background}),
    )
}

/// The event for a question that somebody is to answer.
pub(super) fn question(question: &Question, input: &RawValue, expires_at: Timestamp) -> EventBody {
    let content = match &question.description {
        Some(description) => format!("may {} run? {description}", question.tool),
        None => format!("may {} run?", question.tool),
    };
    let data = json!({
        "question_id": question.id, "tool_use_id": question.tool_use_id, "tool_name": question.tool,
        "tool_input": input, "reason": question.reason, "expires_at": expires_at,
    });
    server_says("agent_question", content, &data)
}

/// The event for the answer to a question, once an agent is there to hear it.
pub(super) fn answer(answered: &Answered) -> EventBody {
    let Answered { question, answer, .. } = answered;
    let decision = if answer.allow { "allow" } else { "deny" };
    let content = match answer.expired {
        true => format!("nobody answered in time whether {} may run", question.tool),
        false => format!("{} was answered: {decision}", question.tool),
    };
    let data = json!({
        "question_id": question.id, "tool_use_id": question.tool_use_id, "tool_name": question.tool,
        "decision": decision, "message": answer.message, "remember": answer.remember, "expired": answer.expired,
    });
    server_says("agent_answer", content, &data)
}

/// The event for an attempt after the first.
pub(super) fn attempt_begins(attempt: u32, how: &str) -> EventBody {
    let content = format!("attempt {attempt} begins: {how}");
    server_says("task_attempt", content, &json!({"attempt": attempt, "how": how}))
}

/// The event for an agent that makes no progress.
pub(super) fn stalled(silent_seconds: u64, open_calls: usize) -> EventBody {
    let content = format!("the agent has made no progress for {silent_seconds} seconds");
    let data = json!({"silent_seconds": silent_seconds, "open_tool_calls": open_calls});
    server_says("agent_stalled", content, &data)
}

//! What agents say, in the words of the API.

use agent::{Said, Statement, TurnEnd};
use api::{EventBody, MessageData, MessageType, ToolResultData, ToolUseData};

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

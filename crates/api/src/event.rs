//! The events of a task, as WebSocket clients see them.

use bytes::{BufMut, Bytes, BytesMut};
use domain::{SessionId, TaskId, TaskStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::ProgressBody;

/// Every `type` on the wire.
pub const EVENT_TYPES: [&str; 7] =
    ["message", "tool_use", "tool_result", "progress", "complete", "error", "status"];

/// What every event begins with: [`kind_of`] reads it without reading the event.
const BEGINNING: &[u8] = b"{\"type\":\"";

/// The `type` of an encoded event.
pub fn kind_of(json: &[u8]) -> Option<&str> {
    let kind = json.strip_prefix(BEGINNING)?.split(|byte| *byte == b'"').next()?;
    let is_word = kind.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    str::from_utf8(kind).ok().filter(|kind| is_word && !kind.is_empty())
}

/// What happened, by the `type` on the wire.
#[derive(Debug)]
pub enum EventBody {
    /// Somebody said something.
    Message(MessageData),
    /// A tool is called.
    ToolUse(ToolUseData),
    /// A tool answered.
    ToolResult(ToolResultData),
    /// The counters changed.
    Progress(ProgressBody),
    /// The task ended: the last event, exactly once.
    Complete(CompleteData),
    /// Something went wrong.
    Error(ErrorData),
}

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageType {
    /// The model.
    Assistant,
    /// The model, thinking.
    Thinking,
    /// What the model was told.
    User,
    /// The CLI.
    System,
    /// The CLI, about the end of a turn.
    Result,
}

/// Data of `message`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageData {
    /// Who speaks.
    pub message_type: MessageType,
    /// The text.
    pub content: String,
    /// The model, where one spoke.
    pub model: Option<String>,
    /// What a system message or result is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subtype: Option<String>,
    /// A system message or result as the CLI sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
    /// The tool call of the sub-agent that speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_tool_use_id: Option<String>,
}

/// Data of `tool_use`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolUseData {
    /// The call.
    pub tool_id: String,
    /// The tool.
    pub tool_name: String,
    /// Its input.
    #[schema(value_type = Object)]
    pub tool_input: Box<RawValue>,
    /// The tool call of the sub-agent that calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_tool_use_id: Option<String>,
}

/// Data of `tool_result`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolResultData {
    /// The call.
    pub tool_use_id: String,
    /// The tool.
    pub tool_name: String,
    /// What the model reads.
    pub content: String,
    /// Whether the tool failed or was refused.
    pub is_error: bool,
    /// The content's blocks, where it was more than a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub content_blocks: Option<Box<RawValue>>,
    /// The tool call of the sub-agent that called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_tool_use_id: Option<String>,
}

/// Data of `complete`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CompleteData {
    /// The task.
    pub task_id: TaskId,
    /// `completed`, `failed` or `interrupted`.
    pub status: TaskStatus,
    /// 0 completed, 1 failed, 124 timed out, 130 interrupted.
    pub exit_code: i32,
    /// The agent's final text.
    pub summary: String,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Cost in US dollars.
    pub total_cost_usd: f64,
    /// The final counters.
    #[serde(flatten)]
    pub progress: ProgressBody,
}

/// Data of `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorData {
    /// What happened, for people.
    pub error: String,
    /// What happened, for machines.
    pub code: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

/// What every event of a task carries.
#[derive(Debug, Clone, Copy)]
pub struct EventHeader<'a> {
    /// When it was committed.
    pub timestamp: Timestamp,
    /// Its number within the task, from 1.
    pub seq: u64,
    /// The task.
    pub task_id: &'a TaskId,
    /// Its conversation.
    pub session_id: &'a SessionId,
}

#[derive(Serialize)]
struct Frame<'a, D> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    task_id: &'a str,
    session_id: Option<&'a SessionId>,
    data: &'a D,
}

/// Encodes an event, once: these bytes are stored and sent.
pub fn encode(bytes: &mut BytesMut, header: EventHeader<'_>, body: &EventBody) {
    match body {
        EventBody::Message(data) => frame(bytes, header, "message", data),
        EventBody::ToolUse(data) => frame(bytes, header, "tool_use", data),
        EventBody::ToolResult(data) => frame(bytes, header, "tool_result", data),
        EventBody::Progress(data) => frame(bytes, header, "progress", data),
        EventBody::Complete(data) => frame(bytes, header, "complete", data),
        EventBody::Error(data) => frame(bytes, header, "error", data),
    }
}

/// Data of `status`: what became of a task that has not ended. Only the feed of all tasks brings it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusData {
    /// Where it is.
    pub status: TaskStatus,
    /// Number of the attempt at work; 0 before the first.
    pub attempt: u32,
    /// Why it waits, although it has begun: `rate_limit`, `retry`, `cut_off`, `answer`.
    pub waits_for: Option<&'static str>,
    /// When it goes on.
    pub resumes_at: Option<Timestamp>,
}

/// Encodes a notice for the feed of all tasks: it belongs to no task's log, so it has no `seq`.
pub fn status_notice(
    timestamp: Timestamp,
    task_id: &TaskId,
    session_id: &SessionId,
    data: &StatusData,
) -> Bytes {
    let (task_id, session_id) = (task_id.as_str(), Some(session_id));
    to_bytes(&Frame { kind: "status", timestamp, seq: None, task_id, session_id, data })
}

/// An error that belongs to a connection rather than to a task's log. It has the envelope of every event: its `seq` is 0, which
/// no cursor ever moves to, and its session null.
pub fn transient_error(timestamp: Timestamp, task_id: &str, data: &ErrorData) -> Bytes {
    to_bytes(&Frame { kind: "error", timestamp, seq: Some(0), task_id, session_id: None, data })
}

fn frame<D: Serialize>(bytes: &mut BytesMut, header: EventHeader<'_>, kind: &'static str, data: &D) {
    let frame = Frame {
        kind,
        timestamp: header.timestamp,
        seq: Some(header.seq),
        task_id: header.task_id.as_str(),
        session_id: Some(header.session_id),
        data,
    };
    // Texts, numbers and JSON that was read from JSON cannot fail to be written into memory.
    serde_json::to_writer(bytes.writer(), &frame).ok();
}

fn to_bytes(frame: &impl Serialize) -> Bytes {
    // Texts, numbers and JSON that was read from JSON cannot fail to be written into memory.
    serde_json::to_vec(frame).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use domain::Progress;

    use super::*;

    fn encoded(header: EventHeader<'_>, body: &EventBody) -> Bytes {
        let mut bytes = BytesMut::new();
        encode(&mut bytes, header, body);
        bytes.freeze()
    }

    #[test]
    fn an_event_reads_as_the_contract_has_it() {
        let task_id = TaskId::parse("t1").expect("valid");
        let session_id = SessionId::for_task(&task_id);
        let header = EventHeader {
            timestamp: Timestamp::from_millis(0),
            seq: 17,
            task_id: &task_id,
            session_id: &session_id,
        };
        let tool_input = RawValue::from_string("{\"b\": 1}".into()).expect("JSON");
        let body = EventBody::ToolUse(ToolUseData {
            tool_id: "toolu_1".into(),
            tool_name: "Bash".into(),
            tool_input,
            parent_tool_use_id: None,
        });
        assert_eq!(
            encoded(header, &body),
            r#"{"type":"tool_use","timestamp":"1970-01-01T00:00:00.000Z","seq":17,"task_id":"t1","session_id":"session-t1","data":{"tool_id":"toolu_1","tool_name":"Bash","tool_input":{"b": 1}}}"#
        );
        let unknown = ErrorData { error: "none".into(), code: "task_not_found", retryable: true };
        assert_eq!(
            transient_error(header.timestamp, "t1", &unknown),
            r#"{"type":"error","timestamp":"1970-01-01T00:00:00.000Z","seq":0,"task_id":"t1","session_id":null,"data":{"error":"none","code":"task_not_found","retryable":true}}"#
        );
        let body = EventBody::Complete(CompleteData {
            task_id: task_id.clone(),
            status: TaskStatus::Failed,
            exit_code: 124,
            summary: String::new(),
            errors: vec!["late".into()],
            total_cost_usd: 0.5,
            progress: Progress::default().into(),
        });
        assert_eq!(kind_of(&encoded(header, &body)), Some("complete"));
        assert_eq!((kind_of(b"{}"), kind_of(b"{\"type\":\"a\nb\"}")), (None, None));
        assert_eq!(
            encoded(header, &body),
            r#"{"type":"complete","timestamp":"1970-01-01T00:00:00.000Z","seq":17,"task_id":"t1","session_id":"session-t1","data":{"task_id":"t1","status":"failed","exit_code":124,"summary":"","errors":["late"],"total_cost_usd":0.5,"turns":0,"tokens_used":0,"tokens_input":0,"tokens_output":0,"tokens_cache_read":0,"tokens_cache_creation":0,"files_modified":0,"elapsed_time_ms":0}}"#
        );
    }
}

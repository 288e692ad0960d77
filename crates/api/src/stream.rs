//! What streams and pages of events look like as a whole. They are put together from stored bytes: these types only describe
//! them.

use domain::{SessionId, TaskId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::event::{CompleteData, ErrorData, MessageData, StatusData, ToolResultData, ToolUseData};
use crate::task::ProgressBody;

/// The `type` of an event.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Somebody said something.
    Message,
    /// A tool is called.
    ToolUse,
    /// A tool answered.
    ToolResult,
    /// The counters changed.
    Progress,
    /// The task ended: its last event, exactly once.
    Complete,
    /// Something went wrong.
    Error,
    /// What became of a task that has not ended; in streams of all tasks only.
    Status,
}

/// The `data` of an event, by its `type`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventData {
    /// `message`
    Message(MessageData),
    /// `tool_use`
    ToolUse(ToolUseData),
    /// `tool_result`
    ToolResult(ToolResultData),
    /// `progress`
    Progress(ProgressBody),
    /// `complete`
    Complete(CompleteData),
    /// `error`
    Error(ErrorData),
    /// `status`
    Status(StatusData),
}

/// An event, the same bytes in every stream and page.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When it was committed.
    pub timestamp: Timestamp,
    /// Its number within the task, from 1 without holes; 0 in an `error` that only this connection is told. Left out of `status`
    /// events, which belong to no task's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seq: Option<u64>,
    /// The task.
    pub task_id: TaskId,
    /// Its conversation; null in an `error` about a task that is not there.
    pub session_id: Option<SessionId>,
    /// More about it.
    pub data: EventData,
}

/// Events of one task after a cursor.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskEventsPage {
    /// The events, in order: all, or as many as make a page.
    pub events: Vec<Event>,
    /// The cursor for the next page.
    pub next_after: u64,
    /// Whether the task has ended and this reaches its last event.
    pub complete: bool,
}

/// Events of all tasks after a cursor.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsPage {
    /// The events, in order: all, or as many as make a page.
    pub events: Vec<Event>,
    /// The cursor for the next page.
    pub next_after: u64,
}

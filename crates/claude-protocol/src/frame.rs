//! One line of the CLI's output as a typed value.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{AssistantMessage, ControlReply, ControlRequest, StreamEvent, TurnResult, UserMessage};

/// What a line says. Every line is a frame; what is not understood is [`Frame::Unknown`] or [`Frame::NotJson`].
#[derive(Debug)]
pub enum Frame {
    /// The answer to a control request of ours.
    ControlResponse(ControlReply),
    /// A question of the CLI; it waits for the answer without a time limit.
    ControlRequest {
        /// Names the question in its answer.
        request_id: String,
        /// The question.
        request: ControlRequest,
    },
    /// The CLI no longer needs the answer to this question.
    ControlCancel {
        /// The question.
        request_id: String,
    },
    /// What became of a prompt that we sent with a uuid.
    CommandLifecycle {
        /// The prompt.
        prompt: Uuid,
        /// Its fate.
        state: CommandState,
    },
    /// A `system` line.
    System(SystemFrame),
    /// The model said something.
    Assistant(AssistantMessage),
    /// A tool answered, or the CLI told the model something.
    User(UserMessage),
    /// A turn ended.
    Result(TurnResult),
    /// A piece of an answer that is being written.
    StreamEvent(StreamEvent),
    /// A heartbeat.
    KeepAlive,
    /// A JSON object of a kind that this version does not know.
    Unknown {
        /// Its `type`; empty when it has none.
        kind: String,
    },
    /// Not a JSON object.
    NotJson,
}

/// The fate of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Waits.
    Queued,
    /// Its turn runs.
    Started,
    /// Its turn ended.
    Completed,
    /// Its turn was aborted, or failed.
    Cancelled,
    /// Never ran.
    Discarded,
    /// Never ran: refused.
    Refused,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A `system` line, by subtype.
#[derive(Debug)]
pub enum SystemFrame {
    /// A turn starts; says how the session is set up.
    Init,
    /// The session starts or stops working.
    SessionState(SessionState),
    /// A call of the model failed and will be repeated.
    ApiRetry(ApiRetry),
    /// The set of background tasks is now this large.
    BackgroundTasks {
        /// How many run.
        open: usize,
    },
    /// Any other subtype.
    Other {
        /// The subtype; empty when it has none.
        subtype: String,
    },
}

impl SystemFrame {
    /// The word on the wire.
    pub fn subtype(&self) -> &str {
        match self {
            Self::Init => "init",
            Self::SessionState(_) => "session_state_changed",
            Self::ApiRetry(_) => "api_retry",
            Self::BackgroundTasks { .. } => "background_tasks_changed",
            Self::Other { subtype } => subtype,
        }
    }
}

/// What the session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// A turn runs.
    Running,
    /// Waits for our answer.
    RequiresAction,
    /// Waits for a prompt.
    Idle,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A call of the model failed and will be repeated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ApiRetry {
    /// Which repetition comes now, from 1.
    #[serde(default)]
    pub attempt: u32,
    /// How long the CLI waits before it, in milliseconds.
    #[serde(default)]
    pub retry_delay_ms: f64,
    /// HTTP status of the failure; `None` when there was no answer.
    pub error_status: Option<u16>,
    /// The API's word for it.
    pub error: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    subtype: Option<Cow<'a, str>>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct LifecycleLine {
    command_uuid: Uuid,
    state: CommandState,
}

#[derive(Deserialize)]
struct StateLine {
    state: SessionState,
}

#[derive(Deserialize)]
struct BackgroundLine<'a> {
    #[serde(borrow)]
    tasks: Vec<&'a RawValue>,
}

/// Reads a line. Never fails: see [`Frame`].
pub fn decode(line: &[u8]) -> Frame {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(line) else { return undecodable(line) };
    let known = match envelope.kind.as_ref() {
        "assistant" => AssistantMessage::read(line).map(Frame::Assistant),
        "user" => UserMessage::read(line).map(Frame::User),
        "stream_event" => StreamEvent::read(line).map(Frame::StreamEvent),
        "system" => Some(Frame::System(system(envelope.subtype.as_deref(), line))),
        "result" => TurnResult::read(line).map(Frame::Result),
        "control_response" => ControlReply::read(line).map(Frame::ControlResponse),
        "control_request" => control_request(envelope.request_id, line),
        "control_cancel_request" => envelope.request_id.map(|request_id| Frame::ControlCancel { request_id }),
        "command_lifecycle" => serde_json::from_slice::<LifecycleLine>(line)
            .ok()
            .map(|line| Frame::CommandLifecycle { prompt: line.command_uuid, state: line.state }),
        "keep_alive" => Some(Frame::KeepAlive),
        _ => None,
    };
    known.unwrap_or_else(|| Frame::Unknown { kind: envelope.kind.into_owned() })
}

/// An object whose `type` is no text is unknown; anything else is no message at all.
fn undecodable(line: &[u8]) -> Frame {
    match serde_json::from_slice::<serde_json::Value>(line) {
        Ok(serde_json::Value::Object(_)) => Frame::Unknown { kind: String::new() },
        _ => Frame::NotJson,
    }
}

fn system(subtype: Option<&str>, line: &[u8]) -> SystemFrame {
    let subtype = subtype.unwrap_or_default();
    let known = match subtype {
        "init" => Some(SystemFrame::Init),
        "session_state_changed" => {
            serde_json::from_slice::<StateLine>(line).ok().map(|line| SystemFrame::SessionState(line.state))
        }
        "api_retry" => serde_json::from_slice(line).ok().map(SystemFrame::ApiRetry),
        "background_tasks_changed" => serde_json::from_slice::<BackgroundLine<'_>>(line)
            .ok()
            .map(|line| SystemFrame::BackgroundTasks { open: line.tasks.len() }),
        _ => None,
    };
    known.unwrap_or_else(|| SystemFrame::Other { subtype: subtype.to_owned() })
}

fn control_request(request_id: Option<String>, line: &[u8]) -> Option<Frame> {
    Some(Frame::ControlRequest { request_id: request_id?, request: ControlRequest::read(line)? })
}

//! One line of the CLI's output as a typed value.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::lenient::parse;
use crate::{
    AssistantMessage, AuthStatus, ControlReply, ControlRequest, ConversationReset, PromptSuggestion,
    RateLimitEvent, StreamEvent, SystemFrame, ToolProgress, ToolUseSummary, TranscriptMirror, TurnResult,
    UserMessage,
};

/// What a line says (protocol section 6). Every line is a frame; what is not understood is [`Frame::Unknown`] or
/// [`Frame::NotJson`]. Whoever decodes a line keeps its bytes, and with them the fields that have no place here.
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
    Result(Box<TurnResult>),
    /// A piece of an answer that is being written.
    StreamEvent(StreamEvent),
    /// A tool still runs.
    ToolProgress(ToolProgress),
    /// The conversation was emptied.
    ConversationReset(ConversationReset),
    /// Lines were written to a transcript.
    TranscriptMirror(TranscriptMirror),
    /// How much of a subscription is used.
    RateLimit(RateLimitEvent),
    /// A login goes on.
    AuthStatus(AuthStatus),
    /// What the user may want to say next.
    PromptSuggestion(PromptSuggestion),
    /// What the last tool calls did.
    ToolUseSummary(ToolUseSummary),
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

impl Frame {
    /// The `type` on the wire; empty when there is none.
    pub fn kind(&self) -> &str {
        match self {
            Self::ControlResponse(_) => "control_response",
            Self::ControlRequest { .. } => "control_request",
            Self::ControlCancel { .. } => "control_cancel_request",
            Self::CommandLifecycle { .. } => "command_lifecycle",
            Self::System(_) => "system",
            Self::Assistant(_) => "assistant",
            Self::User(_) => "user",
            Self::Result(_) => "result",
            Self::StreamEvent(_) => "stream_event",
            Self::ToolProgress(_) => "tool_progress",
            Self::ConversationReset(_) => "conversation_reset",
            Self::TranscriptMirror(_) => "transcript_mirror",
            Self::RateLimit(_) => "rate_limit_event",
            Self::AuthStatus(_) => "auth_status",
            Self::PromptSuggestion(_) => "prompt_suggestion",
            Self::ToolUseSummary(_) => "tool_use_summary",
            Self::KeepAlive => "keep_alive",
            Self::Unknown { kind } => kind,
            Self::NotJson => "",
        }
    }
}

/// What decides how the rest of a line is read. The values are read when they are needed: most lines have no use for
/// the subtype and the request.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    subtype: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
}

/// A JSON text; `None` when it is something else.
fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = raw?.get();
    let borrowed = serde_json::from_str(json).map(Cow::Borrowed);
    borrowed.or_else(|_| serde_json::from_str(json).map(Cow::Owned)).ok()
}

#[derive(Deserialize)]
struct LifecycleLine {
    command_uuid: Uuid,
    state: CommandState,
}

/// Reads a line. Never fails: see [`Frame`].
pub fn decode(line: &[u8]) -> Frame {
    frequent(line).unwrap_or_else(|| decode_any(line))
}

/// The kinds that come most often begin with their type: finding it does not take a pass over the whole line.
fn frequent(line: &[u8]) -> Option<Frame> {
    let rest = line.strip_prefix(br#"{"type":""#)?;
    if rest.starts_with(br#"stream_event""#) {
        return StreamEvent::read(line).map(Frame::StreamEvent);
    }
    if rest.starts_with(br#"assistant""#) {
        return AssistantMessage::read(line).map(Frame::Assistant);
    }
    if rest.starts_with(br#"user""#) {
        return UserMessage::read(line).map(Frame::User);
    }
    None
}

fn decode_any(line: &[u8]) -> Frame {
    // Serde would read a list as an object without names.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Frame::NotJson;
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(line) else { return undecodable(line) };
    let kind = text(envelope.kind).unwrap_or_default();
    known(&kind, &envelope, line).unwrap_or_else(|| Frame::Unknown { kind: kind.into_owned() })
}

fn known(kind: &str, envelope: &Envelope<'_>, line: &[u8]) -> Option<Frame> {
    let request_id = || text(envelope.request_id).map(Cow::into_owned);
    match kind {
        "assistant" => AssistantMessage::read(line).map(Frame::Assistant),
        "user" => UserMessage::read(line).map(Frame::User),
        "stream_event" => StreamEvent::read(line).map(Frame::StreamEvent),
        "system" => {
            let subtype = text(envelope.subtype).unwrap_or_default();
            Some(Frame::System(SystemFrame::read(&subtype, line)))
        }
        "result" => TurnResult::read(line).map(|result| Frame::Result(Box::new(result))),
        "control_response" => ControlReply::read(line).map(Frame::ControlResponse),
        "control_request" => control_request(request_id(), line),
        "control_cancel_request" => request_id().map(|request_id| Frame::ControlCancel { request_id }),
        "command_lifecycle" => parse(line).map(|line: LifecycleLine| Frame::CommandLifecycle {
            prompt: line.command_uuid,
            state: line.state,
        }),
        "tool_progress" => parse(line).map(Frame::ToolProgress),
        "conversation_reset" => parse(line).map(Frame::ConversationReset),
        "transcript_mirror" => parse(line).map(Frame::TranscriptMirror),
        "rate_limit_event" => parse(line).map(Frame::RateLimit),
        "auth_status" => parse(line).map(Frame::AuthStatus),
        "prompt_suggestion" => parse(line).map(Frame::PromptSuggestion),
        "tool_use_summary" => parse(line).map(Frame::ToolUseSummary),
        "keep_alive" => Some(Frame::KeepAlive),
        _ => None,
    }
}

/// A line that names a field twice is unknown; anything else is no message at all.
fn undecodable(line: &[u8]) -> Frame {
    match serde_json::from_slice::<serde_json::Value>(line) {
        Ok(_) => Frame::Unknown { kind: String::new() },
        Err(_) => Frame::NotJson,
    }
}

fn control_request(request_id: Option<String>, line: &[u8]) -> Option<Frame> {
    Some(Frame::ControlRequest { request_id: request_id?, request: ControlRequest::read(line)? })
}

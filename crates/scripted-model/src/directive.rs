//! What a script can say: one [`Directive`] for each `[[...]]` of a prompt.

mod parse;
mod scan;
mod tool_call;

use std::time::Duration;

pub(crate) use parse::parse;
pub(crate) use tool_call::{ToolCall, ToolContext, ToolInput};

/// One instruction of a script, in the order of the prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Directive {
    /// Plain text.
    Say(String),
    /// `count` small deltas, `gap` apart.
    Stream { count: u32, gap: Duration },
    /// The human's earlier prompts.
    History,
    /// A thinking block.
    Think(String),
    /// Tool calls of one response; more than one when they stood in `[[par]]`.
    Tools(Vec<ToolCall>),
    /// A delay before the response headers.
    Sleep(Duration),
    /// A silence in mid-stream.
    Stall(Duration),
    /// Something that goes wrong before the step succeeds.
    Fault(Fault),
    /// The token counts to report.
    Usage { input: u64, output: u64 },
    /// The stop reason to report.
    Stop(String),
}

/// A failure that happens `times` times and then lets the step through.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// `None`: every time.
    pub(crate) times: Option<u32>,
}

/// How a response goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FaultKind {
    /// An HTTP error instead of a response; `retry_after` in seconds.
    Http { status: u16, retry_after: Option<u32> },
    /// The connection is cut in mid-stream.
    Cut,
    /// An SSE `error` event in mid-stream.
    ErrorEvent { error_type: String },
    /// No answer at all.
    Hang,
}

/// A directive that is unknown or has a bad argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("I do not understand [[{directive}]]: {reason}")]
pub(crate) struct Malformed {
    pub(crate) directive: String,
    pub(crate) reason: String,
}

impl Malformed {
    fn new(directive: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { directive: directive.into(), reason: reason.into() }
    }
}

//! The language of the Claude Code CLI (measured on 2.1.330): frames in and out, control requests, arguments.
//!
//! Sans-IO: bytes go in, frames come out; nothing here reads, writes, waits or spawns.
//! A line that is malformed or of an unknown kind is a value like any other, with its bytes; it never is an error
//! that ends the stream and never vanishes.

mod arguments;
mod content;
mod control;
mod frame;
mod lines;
mod result;
mod surrogates;
mod version;

pub use arguments::{Conversation, LaunchOptions};
pub use content::{AssistantMessage, Block, StreamEvent, UserMessage, WireUsage};
pub use control::{
    ControlReply, PermissionAnswer, initialize, interrupt, permission_answer, unsupported_request,
    user_prompt,
};
pub use frame::{
    ApiRetry, CanUseTool, CommandState, ControlRequest, Frame, SessionState, SystemFrame, decode,
};
pub use lines::{Line, LineSplitter, MAX_LINE_BYTES};
pub use result::{ModelUsage, TurnResult};
pub use version::{CliVersion, MINIMUM_VERSION, VersionError};

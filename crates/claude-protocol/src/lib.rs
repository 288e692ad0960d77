//! The language of the Claude Code CLI (measured on 2.1.330): frames in and out, control requests, arguments.
//!
//! Sans-IO: bytes go in, frames come out; nothing here reads, writes, waits or spawns.
//! A line that is malformed or of an unknown kind is a value like any other, with its bytes; it never is an error
//! that ends the stream and never vanishes.

mod ask;
mod content;
mod control;
mod frame;
mod initialize;
mod lines;
mod options;
mod request;
mod result;
mod surrogates;
mod version;

pub use ask::{
    CanUseTool, ControlRequest, Destination, HookCallback, McpMessage, PermissionUpdate, Rule, RuleBehavior,
};
pub use content::{AssistantMessage, Block, StreamEvent, UserMessage, WireUsage};
pub use control::{
    ControlRefusal, ControlReply, PermissionAnswer, Priority, Prompt, PromptContent, Reading, answer,
    control_cancel, control_request, keep_alive, mcp_answer, permission_answer, refusal, user_prompt,
};
pub use frame::{ApiRetry, CommandState, Frame, SessionState, SystemFrame, decode};
pub use initialize::{AgentDefinition, HookMatcher, Initialize, OnFailure};
pub use lines::{Line, LineSplitter, MAX_LINE_BYTES};
pub use options::{Conversation, InvalidOptionName, LaunchOptions, PermissionPrompts, Thinking, Tools};
pub use request::{ClaimSession, Detail, HostRequest};
pub use result::{ModelUsage, TurnResult};
pub use version::{CliVersion, MINIMUM_VERSION, VersionError};

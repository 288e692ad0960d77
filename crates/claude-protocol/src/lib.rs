//! The language of the Claude Code CLI (measured on 2.1.330): frames in and out, control requests, arguments.
//!
//! Sans-IO: bytes go in, frames come out; nothing here reads, writes, waits or spawns.
//! A line that is malformed or of an unknown kind is a value like any other, with its bytes; it never is an error
//! that ends the stream and never vanishes.

mod ask;
mod content;
mod control;
mod events;
mod frame;
mod initialize;
mod lenient;
mod lines;
mod message;
mod notices;
mod one_pass;
mod options;
mod request;
mod result;
mod session;
mod stream;
mod surrogates;
mod system;
mod tasks;
mod version;

pub use ask::{
    CanUseTool, ControlRequest, Destination, HookCallback, McpMessage, PermissionUpdate, Rule, RuleBehavior,
};
pub use content::{Block, WireUsage};
pub use control::{
    ControlRefusal, ControlReply, PermissionAnswer, Priority, Prompt, PromptContent, Reading, answer,
    control_cancel, control_request, keep_alive, mcp_answer, permission_answer, refusal, user_prompt,
};
pub use events::{
    AuthStatus, ConversationReset, PromptSuggestion, RateLimit, RateLimitEvent, ToolProgress, ToolUseSummary,
    TranscriptMirror,
};
pub use frame::{CommandState, Frame, decode};
pub use initialize::{AgentDefinition, HookMatcher, Initialize, OnFailure};
pub use lines::{Line, LineSplitter, MAX_LINE_BYTES};
pub use message::{AssistantMessage, CallPermission, ToolResultMeta, UserMessage};
pub use notices::{
    CommandsChanged, ControlRequestProgress, ElicitationComplete, FilesPersisted, Hook, Informational,
    LocalCommandOutput, Memory, MemoryRecall, Notification, PersistedFile, PluginInstall,
    PromptSubmitOutcome, SessionTitleChanged, SlashCommand, UiInvalidate, WorkerShuttingDown,
};
pub use options::{Conversation, InvalidOptionName, LaunchOptions, PermissionPrompts, Thinking, Tools};
pub use request::{ClaimSession, Detail, HostRequest};
pub use result::{ModelUsage, PermissionDenial, TurnOrigin, TurnResult};
pub use session::{
    ApiRetry, CompactBoundary, CompactMetadata, Init, McpServer, ModelFallback, ModelRefusal,
    PermissionDenied, Plugin, Status, ThinkingTokens,
};
pub use stream::{Delta, StreamEvent};
pub use system::{SessionState, SystemFrame};
pub use tasks::{
    BackgroundTask, TaskNotification, TaskPatch, TaskProgress, TaskStarted, TaskStatus, TaskUpdated,
    TaskUsage,
};
pub use version::{CliVersion, MINIMUM_VERSION, VersionError};

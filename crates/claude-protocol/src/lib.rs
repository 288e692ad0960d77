//! The language of the Claude Code CLI (measured on 2.1.330): frames in and out, control requests, arguments.
//!
//! Sans-IO: bytes go in, frames come out; nothing here reads, writes, waits or spawns.
//! A line that is malformed or of an unknown kind is a value like any other, with its bytes; it never is an error
//! that ends the stream and never vanishes.

mod arguments;
mod content;
mod control;
mod events;
mod frame;
mod lenient;
mod lines;
mod message;
mod notices;
mod result;
mod session;
mod stream;
mod surrogates;
mod system;
mod tasks;
mod version;

pub use arguments::{Conversation, LaunchOptions};
pub use content::{Block, WireUsage};
pub use control::{
    ControlReply, PermissionAnswer, initialize, interrupt, permission_answer, unsupported_request,
    user_prompt,
};
pub use events::{
    AuthStatus, ConversationReset, PromptSuggestion, RateLimit, RateLimitEvent, ToolProgress, ToolUseSummary,
    TranscriptMirror,
};
pub use frame::{CanUseTool, CommandState, ControlRequest, Frame, decode};
pub use lines::{Line, LineSplitter, MAX_LINE_BYTES};
pub use message::{AssistantMessage, CallPermission, ToolResultMeta, UserMessage};
pub use notices::{
    CommandsChanged, ControlRequestProgress, ElicitationComplete, FilesPersisted, Hook, Informational,
    LocalCommandOutput, Memory, MemoryRecall, Notification, PersistedFile, PluginInstall,
    PromptSubmitOutcome, SessionTitleChanged, SlashCommand, UiInvalidate, WorkerShuttingDown,
};
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

//! A running Claude Code agent: start, prompt, interrupt, stop; events out.
//!
//! [`Launcher`] and [`Agent`] are what the engine knows. [`claude`] is the implementation that drives the real CLI, and
//! can be used by itself: [`claude::ClaudeLauncher::start`] takes every option of the official SDK and a [`Host`] that
//! answers permissions, hooks and MCP messages. `examples/` has five short programs.

mod agent;
mod channel;
pub mod claude;
mod event;
mod gateway;
mod host;
mod look;
mod mcp;

pub use agent::{
    Agent, AgentGone, AgentSpec, Asking, LaunchError, Launched, Launcher, Opening, Prepared, StopReceipt,
    Urgency,
};
pub use channel::{EventSender, Events, event_channel};
pub use claude_protocol as protocol;
pub use event::{AgentEvent, ApiError, Asked, Exit, Said, Statement, TurnEnd, TurnEnding};
pub use gateway::{ModelEndpoint, ModelGateway};
pub use host::{Hook, HookHandler, Host, McpServer, PermissionHandler};
pub use look::Looks;
pub use mcp::RmcpServer;
pub use process::{Rung, RungReport, Vitals};

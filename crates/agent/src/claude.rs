//! The agent that is the real Claude Code CLI.

mod changes;
mod driver;
mod environment;
mod launcher;
mod locate;
mod permissions;
mod transcript;
mod translate;

pub use environment::{AgentFolders, Credential, Environment};
pub use launcher::{ClaudeConfig, ClaudeLauncher};
pub use locate::{Cli, LocateError, locate, probe};

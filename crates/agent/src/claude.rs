//! The agent that is the real Claude Code CLI.

mod changes;
mod driver;
mod environment;
mod forget;
mod input;
mod launcher;
mod locate;
mod permissions;
mod phase;
mod pool;
mod prepared;
mod questions;
mod reader;
mod requests;
mod spare;
mod transcript;
mod translate;
mod writers;

pub use driver::{ClaudeAgent, RequestError};
pub use environment::{Credential, Environment};
pub use launcher::{ClaudeConfig, ClaudeLauncher, ClaudeOptions};
pub use locate::{Cli, LocateError, locate, probe};
pub use phase::Phase;
pub use pool::Pool;

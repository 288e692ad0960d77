//! A running Claude Code agent: start, prompt, interrupt, stop; events out.
//!
//! [`Launcher`] and [`Agent`] are what the engine knows. [`claude`] is the implementation that drives the real CLI.

mod agent;
mod channel;
pub mod claude;
mod event;

pub use agent::{
    Agent, AgentGone, AgentSpec, LaunchError, Launched, Launcher, Opening, StopReceipt, Urgency,
};
pub use channel::{EventSender, Events, event_channel};
pub use event::{AgentEvent, Exit, Said, Statement, TurnEnd, TurnEnding};

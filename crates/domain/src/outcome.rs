//! How a task ended.

use serde::{Deserialize, Serialize};

use crate::TaskStatus;

/// The one reason for which a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The agent finished its work.
    Completed,
    /// The agent, the model or the server failed.
    Failed,
    /// It ran longer than its timeout.
    TimedOut,
    /// A caller or the server's shutdown stopped it.
    Interrupted,
}

impl Ending {
    /// The status such a task shows.
    pub const fn status(self) -> TaskStatus {
        match self {
            Self::Completed => TaskStatus::Completed,
            Self::Failed | Self::TimedOut => TaskStatus::Failed,
            Self::Interrupted => TaskStatus::Interrupted,
        }
    }

    /// The exit code of the contract, section 1: 0, 1, 124 as `timeout(1)`, 130 as a shell after Ctrl-C.
    pub const fn exit_code(self) -> i32 {
        match self {
            Self::Completed => 0,
            Self::Failed => 1,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }
}

/// What there is to say about a task that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// The agent's final text; empty when it said nothing.
    pub summary: String,
    /// What went wrong, for people.
    pub errors: Vec<String>,
    /// What the model calls of this task cost, in US dollars, as the CLI reckons it.
    pub total_cost_usd: f64,
}

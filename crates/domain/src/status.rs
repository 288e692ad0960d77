//! States and their legal transitions.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Admitted, waits for its turn.
    Pending,
    /// An agent works on it.
    Running,
    /// Ended: the agent did it.
    Completed,
    /// Ended: an error, or out of time.
    Failed,
    /// Ended: somebody stopped it.
    Interrupted,
}

impl TaskStatus {
    /// Whether the task has ended. An ended task never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Interrupted)
    }

    /// Whether a task may go from this status to `next`: forward only, and an ended one nowhere.
    pub const fn can_become(self, next: Self) -> bool {
        match self {
            Self::Pending => !matches!(next, Self::Pending),
            Self::Running => next.is_terminal(),
            Self::Completed | Self::Failed | Self::Interrupted => false,
        }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// A task runs in it.
    Active,
    /// Ready for the next task; its agent process may be gone, its conversation is kept.
    Idle,
    /// Deleted.
    Terminated,
}

/// How the agent treats tool calls that no rule allows or denies (CLI protocol, section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// Asks before everything that changes something.
    Default,
    /// File edits inside the workspace run without asking.
    AcceptEdits,
    /// Plans only.
    Plan,
    /// Denies what would have asked.
    DontAsk,
    /// The CLI's own classifier decides.
    Auto,
    /// Runs everything. The CLI refuses it for root outside a sandbox.
    BypassPermissions,
}

impl PermissionMode {
    /// Every mode.
    pub const ALL: [Self; 6] =
        [Self::Default, Self::AcceptEdits, Self::Plan, Self::DontAsk, Self::Auto, Self::BypassPermissions];

    /// The word on the wire and on the CLI's command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
            Self::DontAsk => "dontAsk",
            Self::Auto => "auto",
            Self::BypassPermissions => "bypassPermissions",
        }
    }
}

impl FromStr for PermissionMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            let allowed: Vec<_> = Self::ALL.iter().map(|mode| mode.as_str()).collect();
            format!("must be one of {}", allowed.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TaskStatus::{Completed, Failed, Interrupted, Pending, Running};
    use super::*;

    #[test]
    fn a_status_never_goes_back_and_an_ended_task_stays_ended() {
        let all = [Pending, Running, Completed, Failed, Interrupted];
        let legal: Vec<_> = all
            .iter()
            .flat_map(|from| all.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| from.can_become(*to))
            .collect();
        assert_eq!(
            legal,
            [
                (Pending, Running),
                (Pending, Completed),
                (Pending, Failed),
                (Pending, Interrupted),
                (Running, Completed),
                (Running, Failed),
                (Running, Interrupted),
            ]
        );
    }

    #[test]
    fn permission_modes_read_back_what_they_write_and_name_what_is_allowed() {
        for mode in PermissionMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert_eq!(
            "yolo".parse::<PermissionMode>(),
            Err("must be one of default, acceptEdits, plan, dontAsk, auto, bypassPermissions".into())
        );
    }
}

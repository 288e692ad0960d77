//! Bodies of the session and health endpoints.

use std::borrow::Cow;

use domain::{Principal, SessionId, SessionStatus, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionInfo {
    /// Its id.
    pub session_id: SessionId,
    /// Its tasks, oldest first.
    pub tasks: Vec<TaskId>,
    /// Where it is.
    pub status: SessionStatus,
    /// When it began.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub last_activity: Timestamp,
    /// Whose it is.
    pub principal: Principal,
    /// The folder that it belongs to.
    pub workspace: String,
}

/// Body of `POST /api/v1/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionCreation {
    /// The client's name for it; the server makes one when it is left out.
    #[schema(
        pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$",
        min_length = 1,
        max_length = 128,
        example = "review-42"
    )]
    pub session_id: Option<String>,
    /// The folder that it belongs to.
    #[schema(pattern = "^/", example = "/workspaces/demo")]
    pub workspace: String,
}

/// Body of `POST /api/v1/sessions/{session_id}/fork`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct ForkRequest {
    /// The client's name for the copy; the server makes one when it is left out.
    #[schema(
        pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$",
        min_length = 1,
        max_length = 128,
        example = "review-42b"
    )]
    pub session_id: Option<String>,
}

/// Answer to `GET /api/v1/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// The sessions, oldest first.
    pub sessions: Vec<SessionInfo>,
}

/// Answer to a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Deleted {
    /// What was done, for people.
    pub message: String,
}

/// How well the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// It works, but something needs attention.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// Answer to `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// How well.
    pub status: HealthStatus,
    /// The server's version.
    pub version: &'static str,
    /// Sessions with a task at work.
    pub active_sessions: u64,
    /// Tasks at work.
    pub active_tasks: u64,
    /// Time since the start, in seconds.
    pub uptime_seconds: u64,
    /// Whether it takes on nothing more: it is about to stop, or was told to drain. Submissions belong elsewhere then.
    pub draining: bool,
    /// What needs attention; empty when all is well.
    pub reasons: Vec<Cow<'static, str>>,
}

/// Answer to `GET /ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`.
    pub status: &'static str,
}

//! Bodies of the endpoints about the servers that share a store.

use domain::{InstanceLabel, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A server that works on a shared store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InstanceInfo {
    /// Names this start of the server.
    pub instance_id: String,
    /// What its operator calls it; the same after a restart.
    pub name: String,
    /// Whether it is the one that answers.
    pub is_this: bool,
    /// What its operator says of it: a task's `runs_on` chooses by it.
    pub labels: Vec<InstanceLabel>,
    /// Where the workspaces are that it can reach.
    pub workspace_roots: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub last_heartbeat: Timestamp,
    /// Its tasks at work.
    pub active_tasks: u64,
    /// Whether it is handed nothing more.
    pub draining: bool,
    /// Whether it was heard of in time. What one that was not ran goes to others.
    pub alive: bool,
}

/// Answer to `GET /api/v1/instances`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InstanceList {
    /// The servers, oldest first; empty when the storage is this server's alone.
    pub instances: Vec<InstanceInfo>,
}

/// Answer to a change of what a server is handed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Draining {
    /// The server.
    pub instance_id: String,
    /// Whether it is handed nothing more.
    pub draining: bool,
}

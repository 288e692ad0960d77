//! Tickets for streams.

use domain::{TaskId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Body of `POST /api/v1/tickets`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct TicketRequest {
    /// The task whose events it is to open; left out, it opens those of all tasks.
    pub task_id: Option<TaskId>,
}

/// Something to be shown once as `?ticket=` in place of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TicketResponse {
    /// The ticket.
    pub ticket: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

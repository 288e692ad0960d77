//! `POST /api/v1/tickets`: a ticket that opens one stream.

use std::sync::Arc;

use api::{Code, Problem, TicketRequest, TicketResponse};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::access::{May, TasksRead};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission::{self, Received};
use crate::ticket::{Issued, Opens, shared};

/// Makes a ticket: it opens one stream of events, once, within a minute, and is shown as `?ticket=` in place of a key. Browsers
/// need one, because they cannot send headers with a WebSocket.
#[utoipa::path(
    post,
    path = "/api/v1/tickets",
    tag = "events",
    operation_id = "issue_ticket",
    security(("bearer" = ["tasks:read"])),
    request_body = Option<TicketRequest>,
    responses(
        (status = 200, description = "The ticket.", body = TicketResponse),
        (status = 400, description = "The body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body does not match the schema.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksRead>,
    body: Received,
) -> Result<Json<TicketResponse>, Refusal> {
    let TicketRequest { task_id } = submission::ticket_request(&body)?;
    let opens = match task_id {
        None => Opens::Everything,
        Some(id) => {
            may.task(&state, id.as_str()).await?;
            Opens::Task(id)
        }
    };
    let issued = shared::issue(&state, opens, &may.caller).await.ok_or_else(|| {
        let detail = "too many tickets wait to be used: use those first, or try again in a minute";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::AtCapacity, detail).retry_after(60)
    })?;
    let Issued { ticket, expires_at } = issued;
    Ok(Json(TicketResponse { ticket, expires_at }))
}

//! `POST /api/v1/sessions/{session_id}/fork`: a new session with a copy of a conversation.

use std::sync::Arc;

use api::{ForkRequest, Problem, SessionInfo};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::create_session::create;
use crate::access::{May, SessionsWrite};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission::{self, Received};

/// Makes a session that begins with a copy of this one's conversation as it is when its first task runs.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/{session_id}/fork",
    tag = "sessions",
    operation_id = "fork_session",
    security(("bearer" = ["sessions:write"])),
    params(("session_id" = String, Path, description = "The session to copy.")),
    request_body = Option<ForkRequest>,
    responses(
        (status = 201, description = "The new session.", body = SessionInfo),
        (status = 400, description = "The body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 404, description = "There is no such session.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "The session id is taken, or there is no conversation yet.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body does not match the schema.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<SessionsWrite>,
    Path(id): Path<String>,
    body: Received,
) -> Result<(StatusCode, Json<SessionInfo>), Refusal> {
    let copy = submission::fork_request(&body)?;
    let origin = may.session(&state, &id).await?;
    // A copy belongs to whom the original does, whoever asks for it.
    let owner = auth::Identity { principal: origin.principal, ..may.caller };
    create(&state, &owner, copy, None, Some(origin.id)).await
}

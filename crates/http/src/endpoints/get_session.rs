//! `GET /api/v1/sessions/{session_id}`: one session.

use std::sync::Arc;

use api::{Problem, SessionInfo};
use axum::Json;
use axum::extract::{Path, State};

use crate::access::{May, SessionsRead};
use crate::answer;
use crate::refusal::Refusal;
use crate::state::AppState;

/// A session.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session_id}",
    tag = "sessions",
    operation_id = "get_session",
    security(("bearer" = ["sessions:read"])),
    params(("session_id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session.", body = SessionInfo),
        (status = 404, description = "There is no such session.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<SessionsRead>,
    Path(id): Path<String>,
) -> Result<Json<SessionInfo>, Refusal> {
    Ok(Json(answer::session(may.session(&state, &id).await?)))
}

//! `GET /api/v1/sessions/{session_id}`: one session.

use std::sync::Arc;

use api::{Problem, SessionInfo};
use axum::Json;
use axum::extract::{Path, State};

use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{answer, path};

/// A session.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session_id}",
    tag = "sessions",
    operation_id = "get_session",
    params(("session_id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session.", body = SessionInfo),
        (status = 404, description = "There is no such session.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<SessionInfo>, Refusal> {
    let session = state.engine.session(&path::session(&id)?).await?;
    Ok(Json(answer::session(session.ok_or_else(|| Refusal::session_not_found(&id))?)))
}

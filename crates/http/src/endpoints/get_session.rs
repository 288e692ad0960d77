//! `GET /api/v1/sessions/{session_id}`: one session.

use std::sync::Arc;

use api::SessionInfo;
use axum::Json;
use axum::extract::{Path, State};

use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{answer, path};

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<SessionInfo>, Refusal> {
    let session = state.engine.session(&path::session(&id)?).await?;
    Ok(Json(answer::session(session.ok_or_else(|| Refusal::session_not_found(&id))?)))
}

//! `GET /api/v1/sessions`: the sessions.

use std::sync::Arc;

use api::SessionList;
use axum::Json;
use axum::extract::State;

use crate::access::{May, SessionsRead};
use crate::answer;
use crate::refusal::Refusal;
use crate::state::AppState;

/// The caller's sessions, oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    tag = "sessions",
    operation_id = "list_sessions",
    security(("bearer" = ["sessions:read"])),
    responses((status = 200, description = "The sessions.", body = SessionList))
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<SessionsRead>,
) -> Result<Json<SessionList>, Refusal> {
    let sessions = state.engine.sessions().await?.into_iter();
    let sessions =
        sessions.filter(|session| may.caller.sees(&session.principal)).map(answer::session).collect();
    Ok(Json(SessionList { sessions }))
}

//! `GET /api/v1/sessions`: the sessions.

use std::sync::Arc;

use api::{SessionInfo, SessionList};
use axum::Json;
use axum::extract::State;
use store::SessionRecord;

use crate::refusal::Refusal;
use crate::state::AppState;

pub(crate) async fn handle(State(state): State<Arc<AppState>>) -> Result<Json<SessionList>, Refusal> {
    let info = |session: SessionRecord| SessionInfo {
        session_id: session.id,
        tasks: session.tasks,
        status: session.status,
        created_at: session.created_at,
        last_activity: session.last_activity,
    };
    Ok(Json(SessionList { sessions: state.engine.sessions().await?.into_iter().map(info).collect() }))
}

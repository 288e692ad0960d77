//! `GET /health`: is the server alive.

use std::sync::Arc;

use api::{Health, HealthStatus};
use axum::Json;
use axum::extract::State;

use crate::state::AppState;

pub(crate) async fn handle(State(state): State<Arc<AppState>>) -> Json<Health> {
    let running = state.engine.activity().running_tasks;
    Json(Health {
        status: HealthStatus::Healthy,
        version: state.version,
        // A session runs one task at a time.
        active_sessions: running,
        active_tasks: running,
        uptime_seconds: state.started.elapsed().as_secs(),
    })
}

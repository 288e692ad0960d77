//! `GET /health`: is the server alive.

use std::sync::Arc;

use api::{Health, HealthStatus};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use store::Counts;

use crate::state::AppState;

/// How the server is.
#[utoipa::path(
    get,
    path = "/health",
    tag = "server",
    operation_id = "health",
    responses(
        (status = 200, description = "It works.", body = Health),
        (status = 503, description = "It does not.", body = Health),
    )
)]
pub(crate) async fn handle(State(state): State<Arc<AppState>>) -> (StatusCode, Json<Health>) {
    let (status, counts) = match state.engine.counts().await {
        Ok(counts) => (HealthStatus::Healthy, counts),
        Err(error) => {
            tracing::error!(%error, "the health could not be told");
            (HealthStatus::Unhealthy, Counts::default())
        }
    };
    let code = match status {
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
    };
    let health = Health {
        status,
        version: state.version,
        active_sessions: counts.active_sessions as u64,
        active_tasks: counts.running as u64,
        uptime_seconds: state.started.elapsed().as_secs(),
    };
    (code, Json(health))
}

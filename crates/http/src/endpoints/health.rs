//! `GET /health`: is the server alive.

use std::borrow::Cow;
use std::sync::Arc;

use api::{Health, HealthStatus};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join;
use store::Counts;
use tokio::time::timeout;

use crate::state::{AppState, SLOW_STORAGE};

/// How the server is.
#[utoipa::path(
    get,
    path = "/health",
    tag = "server",
    operation_id = "health",
    responses(
        (status = 200, description = "It works: `healthy`, or `degraded` for the `reasons` given.", body = Health),
        (status = 503, description = "It does not.", body = Health),
    )
)]
pub(crate) async fn handle(State(state): State<Arc<AppState>>) -> (StatusCode, Json<Health>) {
    let mut reasons: Vec<Cow<'static, str>> = Vec::new();
    if !state.has_agent() {
        reasons.push("the agent's CLI is not there: install it, or set CLAUDE_CLI_PATH".into());
    }
    let counts = timeout(SLOW_STORAGE, state.engine.counts());
    let (counts, reached) = join(counts, timeout(SLOW_STORAGE, state.engine.reach_storage())).await;
    match reached {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "the storage takes no writes");
            reasons
                .push("the storage takes no writes (full, read-only or away): see the server's log".into());
        }
        Err(_) => reasons.push("the storage is slow: is its disk full, or busy?".into()),
    }
    reasons.extend(state.storage_warnings.iter().cloned().map(Cow::Owned));
    let status = match (&counts, reasons.is_empty()) {
        (Err(_) | Ok(Err(_)), _) => HealthStatus::Unhealthy,
        (Ok(Ok(_)), true) => HealthStatus::Healthy,
        (Ok(Ok(_)), false) => HealthStatus::Degraded,
    };
    let code = match status {
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
    };
    let counts = counts.unwrap_or_else(|_| Ok(Counts::default())).unwrap_or_default();
    let health = Health {
        status,
        version: state.version,
        active_sessions: counts.active_sessions as u64,
        active_tasks: counts.running as u64,
        uptime_seconds: state.started.elapsed().as_secs(),
        draining: state.engine.is_draining(),
        reasons,
    };
    (code, Json(health))
}

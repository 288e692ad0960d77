//! `GET /ready`: can the server take a task now.

use std::sync::Arc;

use api::{Code, Problem, Ready};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::NotReady;
use tokio::time::timeout;

use crate::refusal::Refusal;
use crate::state::{AppState, SLOW_STORAGE};

/// Whether the server can take a task now.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "server",
    operation_id = "ready",
    responses(
        (status = 200, description = "It can.", body = Ready),
        (status = 503, description = "It is at capacity, drains, is about to stop, or has no storage.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(State(state): State<Arc<AppState>>) -> Result<Json<Ready>, Refusal> {
    if !state.has_agent() {
        let detail = "the agent's CLI is not there: install it, or set CLAUDE_CLI_PATH";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::AtCapacity, detail).retry_after(30));
    }
    let ready = timeout(SLOW_STORAGE, state.engine.ready()).await.map_err(|_| {
        tracing::error!("the storage does not answer within {SLOW_STORAGE:?}");
        Refusal::storage_failed()
    })?;
    match ready {
        Ok(()) => Ok(Json(Ready { status: "ready" })),
        Err(NotReady::ShuttingDown) => Err(Refusal::shutting_down()),
        Err(error @ NotReady::Draining) => {
            let code = Code::ShuttingDown;
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string()).retry_after(5))
        }
        Err(NotReady::AtCapacity(waiting)) => {
            let detail = format!("at capacity: {waiting} tasks wait");
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::AtCapacity, detail).retry_after(5))
        }
        Err(NotReady::Store(error)) => Err(error.into()),
    }
}

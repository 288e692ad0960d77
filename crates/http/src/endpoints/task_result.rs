//! `GET /api/v1/tasks/{task_id}/result`: where a task is, once it has ended; waits for that as long as `?wait=SECONDS`.

use std::sync::Arc;
use std::time::Duration;

use api::TaskStatusResponse;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::query::Parameters;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{answer, path};

/// Longest wait, in seconds.
const MAX_WAIT_SECONDS: u64 = 300;

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    mut parameters: Parameters,
) -> Result<(StatusCode, Json<TaskStatusResponse>), Refusal> {
    let wait = parameters.whole("wait", 0..=MAX_WAIT_SECONDS).unwrap_or(0);
    parameters.check()?;
    let task_id = path::task(&id)?;
    let view = tokio::select! {
        biased;
        view = state.engine.wait(&task_id, Duration::from_secs(wait)) => view?,
        // A task that waits in a durable store does not end with the server.
        () = state.closing.cancelled() => state.engine.task(&task_id).await?,
    };
    let view = view.ok_or_else(|| Refusal::task_not_found(&id))?;
    let has_ended = view.record.status.is_terminal();
    let status = if has_ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(answer::status(view))))
}

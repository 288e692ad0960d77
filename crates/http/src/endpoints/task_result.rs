//! `GET /api/v1/tasks/{task_id}/result`: where a task is, once it has ended; waits for that as long as `?wait=SECONDS`.

use std::sync::Arc;
use std::time::Duration;

use api::{Problem, TaskStatusResponse};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::access::{May, TasksRead};
use crate::answer;
use crate::query::Parameters;
use crate::refusal::Refusal;
use crate::state::AppState;

/// Longest wait, in seconds.
pub(super) const MAX_WAIT_SECONDS: u64 = 300;

/// Where a task is, once it has ended; waits for that.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{task_id}/result",
    tag = "tasks",
    operation_id = "get_task_result",
    security(("bearer" = ["tasks:read"])),
    params(("task_id" = String, Path, description = "The task."), ("wait" = Option<u64>, Query, maximum = 300, description = "Longest wait, in seconds.")),
    responses(
        (status = 200, description = "The task has ended.", body = TaskStatusResponse),
        (status = 202, description = "It has not ended in that time.", body = TaskStatusResponse),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "A parameter has a fault.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksRead>,
    Path(id): Path<String>,
    mut parameters: Parameters,
) -> Result<(StatusCode, Json<TaskStatusResponse>), Refusal> {
    let wait = parameters.whole("wait", 0..=MAX_WAIT_SECONDS).unwrap_or(0);
    parameters.check()?;
    let task_id = may.task(&state, &id).await?.record.spec.task_id.clone();
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

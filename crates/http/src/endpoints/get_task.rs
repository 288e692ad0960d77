//! `GET /api/v1/tasks/{task_id}`: where a task is.

use std::sync::Arc;

use api::{Problem, TaskStatusResponse};
use axum::Json;
use axum::extract::{Path, State};

use crate::access::{May, TasksRead};
use crate::answer;
use crate::refusal::Refusal;
use crate::state::AppState;

/// Where a task is: its status, progress, result and place in the queue.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{task_id}",
    tag = "tasks",
    operation_id = "get_task",
    security(("bearer" = ["tasks:read"])),
    params(("task_id" = String, Path, description = "The task.")),
    responses(
        (status = 200, description = "The task.", body = TaskStatusResponse),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksRead>,
    Path(id): Path<String>,
) -> Result<Json<TaskStatusResponse>, Refusal> {
    Ok(Json(answer::status(may.task(&state, &id).await?)))
}

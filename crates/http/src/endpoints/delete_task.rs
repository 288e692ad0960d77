//! `DELETE /api/v1/tasks/{task_id}`: forgets a task that has ended.

use std::sync::Arc;

use api::{Code, Deleted, Problem};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use store::DeleteTaskError;

use crate::access::{May, TasksWrite};
use crate::refusal::Refusal;
use crate::state::AppState;

/// Forgets a task that has ended, and its events. Its session and conversation stay.
#[utoipa::path(
    delete,
    path = "/api/v1/tasks/{task_id}",
    tag = "tasks",
    operation_id = "delete_task",
    security(("bearer" = ["tasks:write"])),
    params(("task_id" = String, Path, description = "The task.")),
    responses(
        (status = 200, description = "It is gone.", body = Deleted),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "It has not ended, or a task that waits depends on it.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksWrite>,
    Path(id): Path<String>,
) -> Result<Json<Deleted>, Refusal> {
    let task = may.task(&state, &id).await?.record.spec.task_id.clone();
    let conflict = |code, detail| Err(Refusal::new(StatusCode::CONFLICT, code, detail));
    match state.engine.delete_task(&task).await {
        Ok(()) => Ok(Json(Deleted { message: format!("Task {task} deleted") })),
        Err(DeleteTaskError::Unknown) => Err(Refusal::task_not_found(&id)),
        Err(DeleteTaskError::NotEnded(status)) => {
            let status = status.as_str();
            let detail =
                format!("the task {task} has not ended: it is {status}; interrupt it first, or wait");
            conflict(Code::TaskState, detail)
        }
        Err(DeleteTaskError::Needed) => {
            let detail =
                format!("a task that waits depends on the task {task}: wait until that one has ended");
            conflict(Code::TaskNeeded, detail)
        }
        Err(DeleteTaskError::Store(error)) => Err(error.into()),
    }
}

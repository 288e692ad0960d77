//! `POST /api/v1/tasks/{task_id}/interrupt`: stops a task; answers when it has ended.

use std::sync::Arc;

use api::{Code, InterruptResponse, Problem};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use store::InterruptError;

use crate::access::{May, TasksWrite};
use crate::refusal::Refusal;
use crate::state::AppState;

/// Stops a task; answers when it has ended.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{task_id}/interrupt",
    tag = "tasks",
    operation_id = "interrupt_task",
    security(("bearer" = ["tasks:write"])),
    params(("task_id" = String, Path, description = "The task.")),
    responses(
        (status = 200, description = "It has ended, or will: `running` says that its agent hangs.", body = InterruptResponse),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "It has already ended.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksWrite>,
    Path(id): Path<String>,
) -> Result<Json<InterruptResponse>, Refusal> {
    let task_id = may.task(&state, &id).await?.record.spec.task_id.clone();
    match state.engine.interrupt(&task_id).await {
        Ok(done) => Ok(Json(InterruptResponse { task_id, status: done.status, interrupted_at: done.at })),
        Err(InterruptError::Unknown) => Err(Refusal::task_not_found(&id)),
        Err(InterruptError::Ended(status)) => {
            let detail = format!("the task {id} has already ended: it is {}", status.as_str());
            Err(Refusal::new(StatusCode::CONFLICT, Code::TaskFinished, detail))
        }
        Err(InterruptError::Store(error)) => Err(error.into()),
    }
}

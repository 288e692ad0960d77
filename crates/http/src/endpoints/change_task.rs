//! `PATCH /api/v1/tasks/{task_id}`: makes a waiting task more or less urgent.

use std::sync::Arc;

use api::{Code, Problem, TaskChange, TaskStatusResponse};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use store::ChangeError;

use crate::access::{May, TasksWrite};
use crate::answer;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission::{self, Received};

/// Makes a waiting task more or less urgent.
#[utoipa::path(
    patch,
    path = "/api/v1/tasks/{task_id}",
    tag = "tasks",
    operation_id = "change_task",
    security(("bearer" = ["tasks:write"])),
    params(("task_id" = String, Path, description = "The task.")),
    request_body = TaskChange,
    responses(
        (status = 200, description = "The task as it is now.", body = TaskStatusResponse),
        (status = 400, description = "The body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "It runs, or has ended.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body does not match the schema.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksWrite>,
    Path(id): Path<String>,
    body: Received,
) -> Result<Json<TaskStatusResponse>, Refusal> {
    let priority = submission::task_change(&body)?;
    let task = may.task(&state, &id).await?.record.spec.task_id.clone();
    match state.engine.set_priority(&task, priority).await {
        Ok(view) => Ok(Json(answer::status(view))),
        Err(ChangeError::Unknown) => Err(Refusal::task_not_found(&id)),
        Err(ChangeError::NotWaiting(status)) => {
            let detail = format!("the task {task} does not wait: it is {}", status.as_str());
            Err(Refusal::new(StatusCode::CONFLICT, Code::TaskState, detail))
        }
        Err(ChangeError::Store(error)) => Err(error.into()),
    }
}

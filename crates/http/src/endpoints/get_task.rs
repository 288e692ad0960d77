//! `GET /api/v1/tasks/{task_id}`: where a task is.

use std::sync::Arc;

use api::TaskStatusResponse;
use axum::Json;
use axum::extract::{Path, State};

use crate::path;
use crate::refusal::Refusal;
use crate::state::AppState;

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<TaskStatusResponse>, Refusal> {
    let task = state.engine.task(&path::task(&id)?).await?.ok_or_else(|| Refusal::task_not_found(&id))?;
    Ok(Json(TaskStatusResponse {
        task_id: task.spec.task_id.clone(),
        session_id: task.session_id,
        status: task.status,
        progress: task.progress.into(),
        result: task.outcome.as_ref().map(Into::into),
        created_at: task.created_at,
        updated_at: task.updated_at,
    }))
}

//! `GET /api/v1/tasks/{task_id}`: where a task is.

use std::sync::Arc;

use api::TaskStatusResponse;
use axum::Json;
use axum::extract::{Path, State};

use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{answer, path};

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<TaskStatusResponse>, Refusal> {
    let view = state.engine.task(&path::task(&id)?).await?.ok_or_else(|| Refusal::task_not_found(&id))?;
    Ok(Json(answer::status(view)))
}

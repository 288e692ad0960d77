//! `POST /api/v1/tasks/{task_id}/interrupt`: stops a task; answers when it has ended.

use std::sync::Arc;

use api::{Code, InterruptResponse};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use store::InterruptError;

use crate::path;
use crate::refusal::Refusal;
use crate::state::AppState;

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Json<InterruptResponse>, Refusal> {
    let task_id = path::task(&id)?;
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

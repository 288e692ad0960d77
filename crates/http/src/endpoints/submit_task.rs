//! `POST /api/v1/tasks`: submits a task.

use std::sync::Arc;

use api::{Code, TaskResponse};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use domain::TaskId;
use engine::SubmitRefused;
use store::{SubmitError, TaskRecord};

use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission;

/// A guess at when a place in a full queue may be free.
const QUEUE_RETRY_SECONDS: u64 = 10;

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TaskResponse>, Refusal> {
    let request = submission::task_request(&submission::bytes(body).await?)?;
    let task = match &request.task_id {
        Some(id) => {
            let id = TaskId::parse(id).map_err(|error| submission::invalid("/task_id", error.to_string()))?;
            match state.engine.task(&id).await? {
                // A retry is answered before its folders are looked at: they may have gone since.
                Some(task) if task.spec.fingerprint == submission::fingerprint(&request) => task,
                Some(_) => return Err(id_taken(&id)),
                None => admit(&state, id, request).await?,
            }
        }
        None => admit(&state, TaskId::generate(), request).await?,
    };
    Ok(Json(response(&state, &headers, &task)))
}

async fn admit(state: &AppState, id: TaskId, request: api::TaskRequest) -> Result<TaskRecord, Refusal> {
    let spec = submission::task_spec(id.clone(), request, &state.defaults, &state.roots).await?;
    match state.engine.submit(spec).await {
        Ok(submitted) => Ok(submitted.task),
        Err(SubmitRefused::ShuttingDown) => Err(Refusal::shutting_down()),
        Err(SubmitRefused::Store(error)) => Err(refused(&id, error)),
    }
}

fn id_taken(id: &TaskId) -> Refusal {
    let detail = format!("the task id {id} is taken by a task with another body: choose another id");
    Refusal::new(StatusCode::CONFLICT, Code::TaskIdTaken, detail)
}

fn refused(id: &TaskId, error: SubmitError) -> Refusal {
    match error {
        SubmitError::IdTaken => id_taken(id),
        SubmitError::QueueFull { waiting } => {
            let detail = format!("the queue is full: {waiting} tasks wait; try again later");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::QueueFull, detail)
                .retry_after(QUEUE_RETRY_SECONDS)
        }
        SubmitError::SessionUnknown(session) => Refusal::session_not_found(session.as_str()),
        SubmitError::SessionWorkspaceDiffers(workspace) => {
            let workspace = workspace.display();
            let detail = format!(
                "the session belongs to the workspace {workspace}: name that, or start a new session"
            );
            Refusal::new(StatusCode::CONFLICT, Code::SessionWorkspaceDiffers, detail)
        }
        SubmitError::Store(error) => error.into(),
    }
}

fn response(state: &AppState, headers: &HeaderMap, task: &TaskRecord) -> TaskResponse {
    let base = state.public_websocket_base.clone().unwrap_or_else(|| {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        format!("ws://{host}")
    });
    let id = &task.spec.task_id;
    TaskResponse {
        task_id: id.clone(),
        session_id: task.session_id.clone(),
        status: task.status,
        websocket_url: format!("{base}/ws/tasks/{id}"),
        created_at: task.created_at,
    }
}

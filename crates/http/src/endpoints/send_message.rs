//! `POST /api/v1/tasks/{task_id}/messages`: says something to the agent that is at work on a task.

use std::sync::Arc;

use api::{Code, MessageReceipt, MessageRequest, Problem};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use engine::MessageError;

use crate::access::{May, TasksWrite};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission::{self, Received};

/// Says something to the agent that is at work on a task: it hears of it between two of its tools, or has a turn of its own for
/// it. The message stands in the task's events, and is told again should the agent die before it has heard. Give a `message_id` to
/// be able to repeat the request.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{task_id}/messages",
    tag = "tasks",
    operation_id = "send_message",
    security(("bearer" = ["tasks:write"])),
    params(("task_id" = String, Path, description = "The task.")),
    request_body = MessageRequest,
    responses(
        (status = 200, description = "It is written down, and the agent has it.", body = MessageReceipt),
        (status = 400, description = "The body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "No agent is at work on it.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body does not match the schema.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksWrite>,
    Path(id): Path<String>,
    body: Received,
) -> Result<Json<MessageReceipt>, Refusal> {
    let (text, chosen) = submission::message_request(&body)?;
    let task_id = may.task(&state, &id).await?.record.spec.task_id.clone();
    match state.engine.message(&task_id, text, chosen).await {
        Ok(message_id) => Ok(Json(MessageReceipt { task_id, message_id })),
        Err(MessageError::Unknown) => Err(Refusal::task_not_found(&id)),
        Err(MessageError::NotAtWork(status)) => {
            let detail = format!(
                "no agent is at work on the task {id}, which is {}: submit a task in its session instead",
                status.as_str()
            );
            Err(Refusal::new(StatusCode::CONFLICT, Code::TaskState, detail))
        }
        Err(MessageError::NotTaken) => {
            let detail = "the agent does not take messages now: try again later";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::AtCapacity, detail).retry_after(5))
        }
        Err(MessageError::Store(error)) => Err(error.into()),
    }
}

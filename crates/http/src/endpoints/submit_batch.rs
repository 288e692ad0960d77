//! `POST /api/v1/tasks/batch`: submits several tasks, each as if it came alone.

use std::sync::Arc;

use api::{BatchRequest, BatchResponse, BatchResult, Problem};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::submit_task::submit;
use crate::access::{May, TasksWrite};
use crate::measured::Traced;
use crate::reached::Reached;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::submission::{self, Received};

/// Submits several tasks in their order, each as if it came alone: one that is refused holds up no other. A batch can be
/// repeated, as a submission can.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/batch",
    tag = "tasks",
    operation_id = "submit_batch",
    security(("bearer" = ["tasks:write"])),
    request_body = BatchRequest,
    responses(
        (status = 200, description = "What became of each of them.", body = BatchResponse),
        (status = 400, description = "The body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body is no list of submissions.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksWrite>,
    RequestId(request_id): RequestId,
    reached: Reached,
    traced: Traced,
    body: Received,
) -> Result<Json<BatchResponse>, Refusal> {
    // What was read as JSON takes many times the room of what came: it is not kept while tasks are admitted.
    let requests: Vec<_> = submission::batch(&body)?.iter().map(submission::task_of).collect();
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        let submitted = match request {
            Ok(request) => Box::pin(submit(&state, &may.caller, (&reached, traced.clone()), request)).await,
            Err(refusal) => Err(refusal),
        };
        results.push(match submitted {
            Ok(task) => BatchResult { status: StatusCode::OK.as_u16(), task: Some(task), problem: None },
            Err(refusal) => BatchResult {
                status: refusal.status.as_u16(),
                task: None,
                problem: Some(refusal.problem(&request_id)),
            },
        });
    }
    Ok(Json(BatchResponse { results }))
}

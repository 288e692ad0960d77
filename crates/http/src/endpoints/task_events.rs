//! `GET /api/v1/tasks/{task_id}/events`: a task's events after a cursor, as Server-Sent Events for those who accept them,
//! else as a JSON page, which `?wait=SECONDS` waits for.

use std::sync::Arc;
use std::time::Duration;

use api::{Problem, TaskEventsPage};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::Subscription;
use store::TaskRecord;

use crate::access::{May, TasksRead};
use crate::query::Parameters;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::stream::wanted::{self, Way};
use crate::stream::{Source, page, sse};

/// A task's events after a cursor, as Server-Sent Events for those who accept them, else as a page.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{task_id}/events",
    tag = "events",
    operation_id = "task_events",
    security(("bearer" = ["tasks:read"])),
    params(("task_id" = String, Path, description = "The task."), ("after" = Option<u64>, Query, description = "The cursor: only what comes after it."), ("Last-Event-ID" = Option<u64>, Header, description = "The cursor again, as browsers send it."), ("wait" = Option<u64>, Query, maximum = 60, description = "How long a page is waited for, in seconds.")),
    responses(
        (status = 200, description = "The events. With `Accept: text/event-stream`: `id` is the cursor, `event` the type, `data` the event.",
         content((TaskEventsPage = "application/json"), (String = "text/event-stream"))),
        (status = 204, description = "The stream has ended before that cursor: there is nothing to connect again for."),
        (status = 404, description = "There is no such task.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "A parameter has a fault.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksRead>,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let after = wanted::after(&headers, &mut parameters).unwrap_or(0);
    let wait = wanted::wait(&mut parameters);
    parameters.check()?;
    let task = may.task(&state, &id).await?.record;
    let subscription = state.engine.subscribe(&task.spec.task_id, after).await?;
    let subscription = subscription.ok_or_else(|| Refusal::task_not_found(&id))?;
    match wanted::way(&headers) {
        // A browser connects again when a stream ends. This is how it is told that there is nothing more.
        Way::Stream if is_at_end(&task, after) => Ok(StatusCode::NO_CONTENT.into_response()),
        Way::Stream => Ok(sse::response(state, subscription)),
        Way::Page => page(&state, &task, subscription, after, wait).await,
    }
}

fn is_at_end(task: &TaskRecord, after: u64) -> bool {
    task.status.is_terminal() && after >= task.tail
}

async fn page(
    state: &AppState,
    task: &TaskRecord,
    mut subscription: Subscription,
    after: u64,
    wait: Duration,
) -> Result<Response, Refusal> {
    let is_there = task.status.is_terminal() || task.tail > after;
    let batch = if is_there {
        // However long the storage takes.
        Source::next(&mut subscription).await
    } else {
        page::gather(&mut subscription, after, wait, &state.closing).await
    };
    let batch = batch.map_err(|failed| failed.refusal(task.spec.task_id.as_str()))?;
    let next_after = batch.cursor.max(after);
    let rest = format!("\"next_after\":{next_after},\"complete\":{}", batch.last);
    Ok(page::response(&batch.entries, &rest))
}

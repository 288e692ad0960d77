//! `GET /ws/tasks/{task_id}`: a task's events over a WebSocket, from the first on or after `?after=SEQ`, then live.

use std::sync::Arc;
use std::time::Duration;

use api::{ErrorData, Problem, transient_error};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::TaskId;
use engine::Subscription;
use tokio::time::{Instant, sleep_until};

use crate::access::{May, TasksRead};
use crate::query::{LARGEST, Parameters};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::stream::Failed;
use crate::stream::socket::{self, End};

/// Existing clients connect up to a second before their task exists.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// A task's events over a WebSocket, from the first on or after a cursor, then live: one `Event` a text frame. Closes with
/// 1000 after `complete`, 1008 when there is no such task, 1012 when the server stops.
#[utoipa::path(
    get,
    path = "/ws/tasks/{task_id}",
    tag = "events",
    operation_id = "task_socket",
    security(("bearer" = ["tasks:read"])),
    params(("task_id" = String, Path, description = "The task."), ("after" = Option<u64>, Query, description = "The cursor: only what comes after it.")),
    responses(
        (status = 101, description = "The stream begins."),
        (status = 400, description = "The handshake is broken: `Sec-WebSocket-Key` is missing.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "A parameter has a fault.", content_type = "application/problem+json", body = Problem),
        (status = 426, description = "The request is no WebSocket handshake of version 13.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksRead>,
    Path(id): Path<String>,
    mut parameters: Parameters,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = socket::accept(upgrade)?;
    let after = parameters.whole("after", 0..=LARGEST).unwrap_or(0);
    parameters.check()?;
    let open = state.streams.token();
    Ok(upgrade.on_upgrade(move |socket| async move {
        Box::pin(socket::serve(&state, socket, find(&state, &may, &id, after))).await;
        drop(open);
    }))
}

async fn find(state: &AppState, may: &May<TasksRead>, id: &str, after: u64) -> Result<Subscription, End> {
    let start = Instant::now();
    let mut found = None;
    let mut is_theirs = true;
    if let Ok(task) = TaskId::parse(id) {
        found = state.engine.subscribe_soon(&task, after, PATIENCE).await.map_err(Failed::from)?;
        if found.is_some() {
            let task = state.engine.task_patiently(&task).await.map_err(Failed::from)?;
            is_theirs = task.is_some_and(|task| may.caller.sees(&task.record.spec.principal));
        }
    }
    if !is_theirs {
        // Somebody else's task is no more there than one that nobody has: neither by word nor by time.
        sleep_until(start + PATIENCE).await;
        found = None;
    }
    found.ok_or_else(|| {
        let error = format!("there is no task {id:?}");
        let error = ErrorData { error, code: "task_not_found", retryable: true };
        End::Unknown(transient_error(state.clock.now(), id, &error))
    })
}

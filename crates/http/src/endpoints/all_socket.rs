//! `GET /ws/events`: the events of all tasks over a WebSocket, from now on or after `?after=CURSOR`. A frame is
//! `{"cursor":N,"event":{…}}`, or `{"cursor":N}` when the reader has moved on past events that were not wanted.

use std::future::ready;
use std::sync::Arc;

use api::Problem;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;

use crate::access::{May, TasksRead};
use crate::query::{LARGEST, Parameters};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::stream::filter::filter;
use crate::stream::socket;

/// The events of all tasks over a WebSocket, from now on or after a cursor. A frame is `{"cursor":N,"event":{…}}`, or
/// `{"cursor":N}` when the reader has moved on past events that were not wanted.
#[utoipa::path(
    get,
    path = "/ws/events",
    tag = "events",
    operation_id = "all_socket",
    security(("bearer" = ["tasks:read"])),
    params(
        ("after" = Option<u64>, Query, description = "The cursor: only what comes after it."),
        ("task_id" = Option<domain::TaskId>, Query, description = "Only this task's."),
        ("session_id" = Option<domain::SessionId>, Query, description = "Only this session's."),
        ("workspace" = Option<String>, Query, pattern = "^(/.*)?$", description = "Only this workspace's: an absolute path."),
        ("status" = Option<String>, Query, pattern = "^((pending|running|completed|failed|interrupted)(,(pending|running|completed|failed|interrupted))*)?$", description = "Only of tasks in these, with commas between them.", example = "running,failed"),
        ("type" = Option<String>, Query, pattern = "^((message|tool_use|tool_result|progress|complete|error|status)(,(message|tool_use|tool_result|progress|complete|error|status))*)?$", description = "Only of these types, with commas between them.", example = "complete,error"),
    ),
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
    mut parameters: Parameters,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = socket::accept(upgrade)?;
    let after = parameters.whole("after", 0..=LARGEST);
    let filter = filter(&mut parameters, may.caller.view()).await;
    parameters.check()?;
    // From the handshake on: what happens while it is answered is not missed.
    let feed = state.engine.subscribe_all(filter.feed, filter.types, after);
    let open = state.streams.token();
    Ok(upgrade.on_upgrade(move |socket| async move {
        Box::pin(socket::serve(&state, socket, ready(Ok(feed)))).await;
        drop(open);
    }))
}

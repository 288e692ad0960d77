//! `GET /api/v1/events`: the events of all tasks from a cursor on, as Server-Sent Events for those who accept them, else as
//! a JSON page, which `?wait=SECONDS` waits for.

use std::sync::Arc;
use std::time::Duration;

use api::{EventsPage, Problem};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use engine::FeedSubscription;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use crate::access::{May, TasksRead};
use crate::query::Parameters;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::stream::filter::filter;
use crate::stream::wanted::{self, Way};
use crate::stream::{Entry, Failed, Source, page, sse};

/// What is there is read, however short the wait is. A storage gets that long for it.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The events of all tasks from a cursor on, as Server-Sent Events for those who accept them, else as a page.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "events",
    operation_id = "all_events",
    security(("bearer" = ["tasks:read"])),
    params(
        ("after" = Option<u64>, Query, description = "The cursor: only what comes after it."),
        ("Last-Event-ID" = Option<u64>, Header, description = "The cursor again, as browsers send it."),
        ("wait" = Option<u64>, Query, maximum = 60, description = "How long a page is waited for, in seconds."),
        ("task_id" = Option<domain::TaskId>, Query, description = "Only this task's."),
        ("session_id" = Option<domain::SessionId>, Query, description = "Only this session's."),
        ("workspace" = Option<String>, Query, pattern = "^(/.*)?$", description = "Only this workspace's: an absolute path."),
        ("status" = Option<String>, Query, pattern = "^((pending|running|completed|failed|interrupted)(,(pending|running|completed|failed|interrupted))*)?$", description = "Only of tasks in these, with commas between them.", example = "running,failed"),
        ("type" = Option<String>, Query, pattern = "^((message|tool_use|tool_result|progress|complete|error|status)(,(message|tool_use|tool_result|progress|complete|error|status))*)?$", description = "Only of these types, with commas between them.", example = "complete,error"),
    ),
    responses(
        (status = 200, description = "The events. With `Accept: text/event-stream`: `id` is the cursor, `event` the type, `data` the event.",
         content((EventsPage = "application/json"), (String = "text/event-stream"))),
        (status = 422, description = "A parameter has a fault.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksRead>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let after = wanted::after(&headers, &mut parameters);
    let wait = wanted::wait(&mut parameters);
    let filter = filter(&mut parameters, may.caller.view()).await;
    parameters.check()?;
    let feed = state.engine.subscribe_all(filter.feed, filter.types, after);
    match wanted::way(&headers) {
        Way::Stream => Ok(sse::response(state, feed)),
        Way::Page => page(&state, feed, wait).await.map_err(|_| Refusal::storage_failed()),
    }
}

/// A page of what is there, or else of what comes while it is waited for.
async fn page(state: &AppState, mut feed: FeedSubscription, wait: Duration) -> Result<Response, Failed> {
    let until = Instant::now() + wait;
    let read = tokio::select! {
        biased;
        read = timeout(READ_WITHIN, what_is_there(&mut feed)) => read.unwrap_or_else(|_| Ok(Vec::new())),
        () = state.closing.cancelled() => Ok(Vec::new()),
    };
    let mut entries = read?;
    if entries.is_empty() {
        let (cursor, patience) = (feed.cursor(), until.saturating_duration_since(Instant::now()));
        entries = page::gather(&mut feed, cursor, patience, &state.closing).await?.entries;
    }
    Ok(page::response(&entries, &format!("\"next_after\":{}", feed.cursor())))
}

/// Reads on until something is wanted, or nothing more is there.
async fn what_is_there(feed: &mut FeedSubscription) -> Result<Vec<Entry>, Failed> {
    let mut entries = Vec::new();
    while entries.is_empty() && feed.has_more() {
        entries = Source::next(feed).await?.entries;
        // Never with something in hand: the cursor is behind it, and whoever waits may be cut off here.
        if entries.is_empty() {
            yield_now().await;
        }
    }
    Ok(entries)
}

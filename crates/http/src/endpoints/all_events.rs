//! `GET /api/v1/events`: the events of all tasks from a cursor on, as Server-Sent Events for those who accept them, else as
//! a JSON page, which `?wait=SECONDS` waits for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::query::Parameters;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::stream::filter::filter;
use crate::stream::wanted::{self, Way};
use crate::stream::{page, sse};

/// What is there is read, however short the wait is. A storage gets that long for it.
const READ_WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Refusal> {
    let after = wanted::after(&headers, &mut parameters);
    let wait = wanted::wait(&mut parameters);
    let filter = filter(&mut parameters).await;
    parameters.check()?;
    let mut feed = state.engine.subscribe_all(filter.feed, filter.types, after);
    match wanted::way(&headers) {
        Way::Stream => Ok(sse::response(state, feed)),
        Way::Page => {
            let patience = if feed.has_more() { wait.max(READ_WITHIN) } else { wait };
            let cursor = feed.cursor();
            let batch = page::gather(&mut feed, cursor, patience, &state.closing).await;
            let batch = batch.map_err(|_| Refusal::storage_failed())?;
            Ok(page::response(&batch.entries, &format!("\"next_after\":{}", batch.cursor)))
        }
    }
}

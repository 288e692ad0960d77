//! Counts requests by their route.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use telemetry::Levels;

use crate::state::AppState;

/// What requests to no route are counted under: their paths are anybody's to choose.
const NO_ROUTE: &str = "none";

pub(crate) async fn count(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = known(request.method());
    let endpoint = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let endpoint = endpoint.unwrap_or_else(|| NO_ROUTE.to_owned());
    let status = response.status().as_u16();
    state.metrics.answered(&telemetry::Request { method, endpoint, status }, start.elapsed());
    response
}

/// A method is anybody's to invent, too.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// `GET /metrics`, on a port of its own: everything that is counted and measured.
pub(crate) async fn metrics(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    let counts = state.engine.counts().await.unwrap_or_else(|error| {
        tracing::error!(%error, "open tasks could not be counted");
        store::Counts::default()
    });
    let levels = Levels {
        active_sessions: counts.active_sessions as u64,
        waiting: counts.waiting as u64,
        running: counts.running as u64,
        parked: counts.parked as u64,
        agents: state.engine.agents() as u64,
        streams: state.streams.len() as u64,
        uptime: state.started.elapsed(),
    };
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.text(&levels))
}

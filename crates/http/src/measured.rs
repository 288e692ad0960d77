//! Counts requests by their route, and traces them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::future::join;
use rustix::fs::statvfs;
use store::{Counts, StoreError};
use telemetry::{Disk, Levels, Open};
use tokio::time::timeout;

use crate::request_id::X_REQUEST_ID;
use crate::state::{AppState, SLOW_STORAGE};

/// What requests to no route are counted under: their paths are anybody's to choose.
const NO_ROUTE: &str = "none";

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What stands for a request in its trace; nothing when it is not traced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traced(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for Traced {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

pub(crate) async fn count(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = known(request.method());
    let endpoint = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let caller = text(request.headers(), &TRACEPARENT);
    let trace = state.traces.request(method, endpoint.as_deref(), caller);
    if let Some(trace) = &trace {
        request.extensions_mut().insert(Traced(Some(trace.trace_parent())));
    }
    let response = next.run(request).await;
    if let Some(trace) = trace {
        trace.answered(response.status().as_u16(), text(response.headers(), &X_REQUEST_ID));
    }
    let endpoint = endpoint.unwrap_or_else(|| NO_ROUTE.to_owned());
    let status = response.status().as_u16();
    state.metrics.answered(&telemetry::Request { method, endpoint, status }, start.elapsed());
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
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

fn open(counts: Counts) -> Open {
    Open {
        active_sessions: counts.active_sessions as u64,
        waiting: counts.waiting as u64,
        scheduled: counts.scheduled as u64,
        running: counts.running as u64,
        parked: counts.parked as u64,
    }
}

/// `GET /metrics`, on a port of its own: everything that is counted and measured.
pub(crate) async fn metrics(State(state): State<Arc<AppState>>) -> impl IntoResponse {
    let counts = timeout(SLOW_STORAGE, state.engine.counts());
    let (counts, reached) = join(counts, timeout(SLOW_STORAGE, state.engine.reach_storage())).await;
    let counts = counts.unwrap_or_else(|_| Err(StoreError(format!("no answer within {SLOW_STORAGE:?}"))));
    let open =
        counts.inspect_err(|error| tracing::error!(%error, "open tasks could not be counted")).map(open);
    let levels = Levels {
        open: open.ok(),
        agents: state.engine.agents() as u64,
        streams: state.streams.len() as u64,
        uptime: state.started.elapsed(),
        storage_is_up: matches!(reached, Ok(Ok(()))),
        lease_is_held: state.engine.holds_lease(),
        disk: statvfs(&state.data_folder).ok().map(|disk| Disk {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            size: disk.f_blocks.saturating_mul(disk.f_frsize),
        }),
    };
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.text(&levels))
}

//! Names each request, and puts the name into errors, log lines and the `x-request-id` header.

use std::convert::Infallible;
use std::sync::Arc;

use api::Code;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

use crate::measured::Traced;
use crate::refusal::Refusal;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's name.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self("".into())))
    }
}

pub(crate) async fn tag(mut request: Request, next: Next) -> Response {
    let id: Arc<str> = Uuid::now_v7().to_string().into();
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let trace_parent = request.extensions().get::<Traced>().and_then(|traced| traced.0.as_deref());
    let trace_id = trace_parent.and_then(telemetry::trace_id);
    // So every line that is logged for it has its name.
    let span = tracing::error_span!("request", request_id = &*id, trace_id);
    let mut response = next.run(request).instrument(span).await;
    let refusal = response.extensions_mut().remove::<Refusal>().or_else(|| framework_refusal(&response));
    if let Some(refusal) = refusal {
        let limits = response.headers().clone().into_iter().filter_map(|(name, value)| {
            name.filter(|name| name.as_str().starts_with("ratelimit-")).map(|name| (name, value))
        });
        response = refusal.response(&id);
        response.headers_mut().extend(limits);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// What the framework itself refuses (an undecodable path, say) comes as plain text; JSON is an endpoint's own, as of health.
fn framework_refusal(response: &Response) -> Option<Refusal> {
    let status = response.status();
    let is_own = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_own || (!status.is_client_error() && !status.is_server_error()) {
        return None;
    }
    let detail = status.canonical_reason().unwrap_or("the request was refused").to_lowercase();
    let code = if status.is_server_error() { Code::Internal } else { Code::InvalidRequest };
    Some(Refusal::new(status, code, detail))
}

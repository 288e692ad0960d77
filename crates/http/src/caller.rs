//! Who calls: told by a key, a token or a ticket, and counted.

use std::sync::Arc;

use api::Code;
use auth::{Denied, Identity};
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::TaskId;

use crate::query::Parameters;
use crate::rate_limit::Caller;
use crate::reached::Reached;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::ticket::Opens;

/// Lets in whoever is known, and refuses those who call too often. Who is not known is counted by address: so keys cannot be
/// guessed faster than that.
pub(crate) async fn check(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let known = identify(&state, request.headers(), request.uri()).await;
    let own = known.as_ref().ok().and_then(|identity| identity.requests_per_minute);
    let caller = match &known {
        Ok(identity) if state.auth.is_some() => Caller::Known(Arc::clone(&identity.name)),
        _ => match request.extensions().get::<Reached>() {
            Some(reached) if reached.is_proxied => Caller::behind_proxy(reached.client),
            reached => Caller::at(reached.and_then(|reached| reached.client)),
        },
    };
    let (left, mut response) = match (state.rate_limit.check(caller, own), known) {
        (Err((left, refusal)), _) => (Some(left), refusal.into_response()),
        (Ok(left), Err(refusal)) => (left, refusal.into_response()),
        (Ok(left), Ok(identity)) => {
            request.extensions_mut().insert(identity);
            (left, next.run(request).await)
        }
    };
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    response
}

async fn identify(state: &AppState, headers: &HeaderMap, uri: &Uri) -> Result<Identity, Refusal> {
    let Some(auth) = &state.auth else { return Ok(Identity::operator()) };
    let Some(shown) = shown(headers) else { return by_ticket(state, uri).ok_or_else(nothing_shown) };
    auth.check(shown, state.clock.now()).await.map_err(|denied| match denied {
        Denied::Key(detail) => Refusal::new(StatusCode::FORBIDDEN, Code::Forbidden, detail),
        // RFC 6750, section 3.1: so clients know that they need another token.
        Denied::Token(detail) => Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, detail)
            .challenge(format!("Bearer error=\"invalid_token\", error_description=\"{detail}\"")),
        Denied::Unavailable(detail) => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Internal, detail).retry_after(30)
        }
    })
}

fn nothing_shown() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        Code::Unauthorized,
        "an API key is needed: send `Authorization: Bearer <key>` or `X-API-Key: <key>`",
    )
}

/// Who got the ticket that a request for a stream shows. It is used up by that.
fn by_ticket(state: &AppState, uri: &Uri) -> Option<Identity> {
    let task = |rest: &str| TaskId::parse(rest).ok().map(Opens::Task);
    let path = uri.path();
    let wanted = match path.strip_prefix("/ws/tasks/") {
        Some(id) => task(id),
        None if matches!(path, "/ws/events" | "/api/v1/events") => Some(Opens::Everything),
        None => {
            path.strip_prefix("/api/v1/tasks/").and_then(|rest| rest.strip_suffix("/events")).and_then(task)
        }
    };
    let parameters = Parameters::read(uri);
    state.tickets.redeem(parameters.text("ticket")?, &wanted?, state.clock.now())
}

/// The key or token that a request shows. `X-API-Key` goes first: a proxy may put an `Authorization` header of its own there.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(token.trim_ascii()),
        _ => Some(b""),
    }
}

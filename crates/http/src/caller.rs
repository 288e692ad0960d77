//! Who calls: told by a key, a token or a ticket, and counted.

use std::sync::Arc;
use std::time::Duration;

use api::Code;
use auth::{Authenticator, Denied, Identity};
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{TaskId, Timestamp};

use crate::guesses::Shown;
use crate::query::Parameters;
use crate::rate_limit::{Caller, shared as shared_limit};
use crate::reached::Reached;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::ticket::{Opens, shared};

/// Lets in whoever is known, and refuses those who call too often. Who is not known is counted by address: so keys cannot be
/// guessed faster than that.
pub(crate) async fn check(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let address = address(&request);
    let found = find(&state, &address, (request.headers(), request.uri())).await;
    let own = found.as_ref().ok().and_then(|found| found.identity.requests_per_minute);
    let caller = match &found {
        Ok(found) if state.auth.is_some() => Caller::Known(Arc::clone(&found.identity.name)),
        _ => address.clone(),
    };
    let counted = match state.rate_limit.check(caller.clone(), own) {
        Ok(left) => shared_limit::check(&state, &caller, left).await,
        refused => refused,
    };
    let (left, mut response) = match (counted, found) {
        (Err((left, refusal)), found) => {
            // Who shows nothing guesses nothing, and a storage that is away is nobody's guess.
            if found.is_err_and(|refusal| is_wrong_key(&refusal)) {
                let now = state.clock.now();
                let wait = Duration::from_secs(refusal.retry_after_seconds.unwrap_or(1));
                state.guesses.block(address, now.after(wait), now);
            }
            (Some(left), refusal.into_response())
        }
        (Ok(left), Err(refusal)) => (left, refusal.into_response()),
        (Ok(left), Ok(found)) => match found.admit(&state).await {
            Err(refusal) => (left, refusal.into_response()),
            Ok(identity) => {
                request.extensions_mut().insert(identity);
                (left, next.run(request).await)
            }
        },
    };
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    response
}

/// Who is counted when the caller is not known.
fn address(request: &Request) -> Caller {
    match request.extensions().get::<Reached>() {
        Some(reached) if reached.is_proxied => Caller::behind_proxy(reached.client),
        reached => Caller::at(reached.and_then(|reached| reached.client)),
    }
}

/// Who calls, and the ticket that says so.
struct Found {
    identity: Identity,
    ticket: Option<(String, Opens)>,
}

impl Found {
    /// Uses the ticket up: not before the request is let in.
    async fn admit(self, state: &AppState) -> Result<Identity, Refusal> {
        let Some((ticket, opens)) = self.ticket else { return Ok(self.identity) };
        shared::redeem(state, &ticket, &opens).await?.ok_or_else(wrong_ticket)
    }
}

impl From<Identity> for Found {
    fn from(identity: Identity) -> Self {
        Self { identity, ticket: None }
    }
}

async fn find(
    state: &AppState,
    address: &Caller,
    (headers, uri): (&HeaderMap, &Uri),
) -> Result<Found, Refusal> {
    let Some(auth) = &state.auth else { return Ok(Identity::operator().into()) };
    let Some(text) = shown(headers) else {
        return by_ticket(state, address, uri).await;
    };
    let shown = Shown::new(address.clone(), text);
    if let Some(wait) = state.guesses.wait(&shown, state.clock.now()) {
        return Err(too_many_guesses(wait));
    }
    let identity = identify(auth, text, state.clock.now()).await?;
    state.guesses.was_right(shown);
    Ok(identity.into())
}

/// Whether a key or token was looked at, and does not count.
fn is_wrong_key(refusal: &Refusal) -> bool {
    refusal.status == StatusCode::FORBIDDEN || refusal.challenge.is_some()
}

fn too_many_guesses(wait: Duration) -> Refusal {
    let detail = "too many wrong keys or tokens came from this address: try again later";
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited, detail).retry_after(wait.as_secs() + 1)
}

async fn identify(auth: &Authenticator, shown: &[u8], now: Timestamp) -> Result<Identity, Refusal> {
    auth.check(shown, now).await.map_err(|denied| match denied {
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

fn wrong_ticket() -> Refusal {
    let detail = "the ticket is not, or no longer, one for this stream: get another by POST /api/v1/tickets";
    Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, detail)
        .challenge(format!("Bearer error=\"invalid_token\", error_description=\"{detail}\""))
}

/// Who got the ticket that a request for a stream shows.
async fn by_ticket(state: &AppState, address: &Caller, uri: &Uri) -> Result<Found, Refusal> {
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
    let (Some(ticket), Some(opens)) = (parameters.text("ticket"), wanted) else {
        return Err(nothing_shown());
    };
    // Whoever tries one after the other does not keep the storage busy with it.
    if let Some(wait) = state.guesses.wait(&Shown::new(address.clone(), ticket.as_bytes()), state.clock.now())
    {
        return Err(too_many_guesses(wait));
    }
    let identity = shared::holder(state, ticket, &opens).await?.ok_or_else(wrong_ticket)?;
    Ok(Found { identity, ticket: Some((ticket.to_owned(), opens)) })
}

/// The key or token that a request shows. `X-API-Key` goes first: a proxy may put an `Authorization` header of its own there.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let key = headers.get("x-api-key").map(|key| key.as_bytes().trim_ascii());
    key.filter(|key| !key.is_empty()).or_else(|| bearer(headers.get(AUTHORIZATION)?.as_bytes().trim_ascii()))
}

/// What an `Authorization` header shows. One that is empty shows nothing; one of another scheme is no key of ours.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let is_bearer = |scheme: &[u8]| scheme.eq_ignore_ascii_case(b"bearer");
    match value.iter().position(u8::is_ascii_whitespace).and_then(|end| value.split_at_checked(end)) {
        Some((scheme, token)) if is_bearer(scheme) => Some(token.trim_ascii()),
        None if value.is_empty() || is_bearer(value) => None,
        _ => Some(b""),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_is_empty_shows_nothing_and_hides_nothing() {
        let read = |given: &[(&'static str, &'static str)]| {
            let header = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let headers: HeaderMap = given.iter().map(header).collect();
            shown(&headers).map(|shown| String::from_utf8_lossy(shown).into_owned())
        };
        let (key, bearer) = ("x-api-key", "authorization");
        for nothing in [
            &[][..],
            &[(key, "")],
            &[(key, " ")],
            &[(bearer, "")],
            &[(bearer, "Bearer")],
            &[(bearer, "Bearer  ")],
        ] {
            assert_eq!(read(nothing), None, "{nothing:?}");
        }
        assert_eq!(read(&[(key, ""), (bearer, "bearer  b")]).as_deref(), Some("b"));
        assert_eq!(read(&[(key, "a"), (bearer, "Bearer b")]).as_deref(), Some("a"));
        for foreign in ["Basic b", "b", "Bearerb"] {
            assert_eq!(read(&[(bearer, foreign)]).as_deref(), Some(""), "{foreign}");
        }
    }
}

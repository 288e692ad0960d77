//! Who may call, and under which name of the server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use api::Code;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::TaskId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::query::Parameters;
use crate::rate_limit::Caller;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::ticket::Opens;

/// The key that callers must show. Kept as a digest, compared in constant time.
#[derive(Clone)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// The key with that text.
    pub fn new(text: &SecretString) -> Self {
        Self(Sha256::digest(text.expose_secret()).into())
    }

    fn matches(&self, shown: &[u8]) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        self.0.ct_eq(&shown).into()
    }
}

/// Which names the server answers to. A page in a browser can make its own name point at this machine (DNS
/// rebinding); the name in the `Host` header gives that away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPolicy {
    /// Any: the server is meant to be reached from elsewhere.
    Any,
    /// `localhost`, addresses, and these names.
    Local(Vec<String>),
}

impl HostPolicy {
    fn admits(&self, host: &str) -> bool {
        let Self::Local(names) = self else { return true };
        let name = without_port(host);
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address
            || name.eq_ignore_ascii_case("localhost")
            || names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

/// Refuses requests under a foreign name, and browsers' requests from foreign pages.
pub(crate) async fn check_host(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    match foreign(&state, &request) {
        None => next.run(request).await,
        Some(detail) => Refusal::new(StatusCode::FORBIDDEN, Code::HostNotAllowed, detail).into_response(),
    }
}

/// Why a request is not for this server, if so.
fn foreign(state: &AppState, request: &Request) -> Option<&'static str> {
    if request.headers().get_all(HOST).iter().count() > 1 {
        return Some("there is more than one Host header");
    }
    let host = match request.headers().get(HOST).map(HeaderValue::to_str) {
        Some(Ok(host)) => Some(host),
        Some(Err(_)) => return Some("the Host header cannot be read"),
        None => request.uri().authority().map(axum::http::uri::Authority::as_str),
    };
    if host.is_some_and(|host| !state.hosts.admits(host)) {
        return Some("the Host header names another server: set SERVER_PUBLIC_URL to that name to allow it");
    }
    let origin = request.headers().get(ORIGIN)?;
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let public = state.public_websocket_base.as_deref().and_then(|base| base.split_once("://"));
    let known = origin.is_some() && (origin == host || origin == public.map(|(_, host)| host));
    (!known).then_some(
        "requests from web pages of other servers are not allowed: if the page is this server's own, set \
         SERVER_PUBLIC_URL to the name that it has there",
    )
}

/// Refuses callers without the key, and those who call too often. Who has no key, or a wrong one, is counted by address: so
/// keys cannot be guessed faster than that.
pub(crate) async fn check_caller(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let checked = state.api_key.as_ref().map(|key| match check_key(key, request.headers()) {
        Err(_) if shown_key(request.headers()).is_none() && has_ticket(&state, request.uri()) => Ok(()),
        checked => checked,
    });
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let caller = if matches!(checked, Some(Ok(()))) { Caller::Key } else { Caller::at(address) };
    let counted = state.rate_limit.as_ref().map_or(Ok(None), |limit| limit.check(caller));
    let (left, mut response) = match (counted, checked) {
        (Err((left, refusal)), _) => (Some(left), refusal.into_response()),
        (Ok(left), Some(Err(refusal))) => (left, refusal.into_response()),
        (Ok(left), _) => (left, next.run(request).await),
    };
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    response
}

/// Whether a request for a stream shows a ticket that opens it, which is used up by that.
fn has_ticket(state: &AppState, uri: &Uri) -> bool {
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
    match (wanted, parameters.text("ticket")) {
        (Some(wanted), Some(ticket)) => state.tickets.redeem(ticket, &wanted, state.clock.now()),
        _ => false,
    }
}

fn check_key(key: &ApiKey, headers: &HeaderMap) -> Result<(), Refusal> {
    match shown_key(headers) {
        None => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            Code::Unauthorized,
            "an API key is needed: send `Authorization: Bearer <key>` or `X-API-Key: <key>`",
        )),
        Some(shown) if key.matches(shown) => Ok(()),
        Some(_) => Err(Refusal::new(StatusCode::FORBIDDEN, Code::Forbidden, "the API key is wrong")),
    }
}

/// The key that a request shows. `X-API-Key` goes first: a proxy may put an `Authorization` header of its own there.
fn shown_key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(token.trim_ascii()),
        _ => Some(b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_server_answers_to_addresses_and_known_names_only() {
        let policy = HostPolicy::Local(vec!["agents.example.com".into()]);
        for host in
            ["localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", "[::1]", "agents.example.com:443"]
        {
            assert!(policy.admits(host), "{host}");
        }
        for host in
            ["evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1].evil"]
        {
            assert!(!policy.admits(host), "{host}");
        }
        assert!(HostPolicy::Any.admits("anything.example"));
    }

    #[test]
    fn a_key_matches_only_itself() {
        let key = ApiKey::new(&SecretString::from("secret"));
        assert_eq!((key.matches(b"secret"), key.matches(b"secret "), key.matches(b"")), (true, false, false));
    }
}

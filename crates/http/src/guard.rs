//! Under which name of the server requests come, and from which pages.

use std::net::IpAddr;
use std::sync::Arc;

use api::Code;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::refusal::Refusal;
use crate::state::AppState;

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
}

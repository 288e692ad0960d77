//! Under which name of the server requests come, and from which pages.

use std::net::IpAddr;
use std::sync::Arc;

use api::Code;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::reached::Reached;
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
    /// Those, and names of one word, as containers have for each other: nobody can own one in the internet.
    Near(Vec<String>),
}

impl HostPolicy {
    fn admits(&self, host: &str) -> bool {
        let (names, is_near) = match self {
            Self::Any => return true,
            Self::Local(names) => (names, false),
            Self::Near(names) => (names, true),
        };
        let name = without_port(host);
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address
            || name.eq_ignore_ascii_case("localhost")
            || (is_near && !name.is_empty() && !name.contains(['.', ':']))
            || names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// A name without the port after it.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

/// Refuses requests under a foreign name, and browsers' requests from foreign pages.
pub(crate) async fn check_host(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let checked = named(&request).and_then(|host| {
        // Whoever names a proxy leaves it to that one which names get through. What the connection itself was opened for, a page in
        // a browser of this machine decides.
        check_name(&state, host)?;
        let reached = Reached::new(&state.proxies, request.extensions(), request.headers(), host);
        check_page(&state, request.headers(), reached.host.as_deref())?;
        Ok(reached)
    });
    match checked {
        Ok(reached) => {
            request.extensions_mut().insert(reached);
            next.run(request).await
        }
        Err(detail) => Refusal::new(StatusCode::FORBIDDEN, Code::HostNotAllowed, detail).into_response(),
    }
}

/// The server's name in the request itself.
fn named(request: &Request) -> Result<Option<&str>, &'static str> {
    if request.headers().get_all(HOST).iter().count() > 1 {
        return Err("there is more than one Host header");
    }
    match request.headers().get(HOST).map(HeaderValue::to_str) {
        Some(Ok(host)) => Ok(Some(host)),
        Some(Err(_)) => Err("the Host header cannot be read"),
        None => Ok(request.uri().authority().map(axum::http::uri::Authority::as_str)),
    }
}

/// Whether a connection was opened for this server.
fn check_name(state: &AppState, host: Option<&str>) -> Result<(), &'static str> {
    if host.is_some_and(|host| !state.hosts.admits(host)) {
        return Err("the Host header names another server: set SERVER_PUBLIC_URL to that name to allow it");
    }
    Ok(())
}

/// Whether a request of a page in a browser is one of this server's own pages, or of one that may call. `host` is the name that the
/// browser knows.
fn check_page(state: &AppState, headers: &HeaderMap, host: Option<&str>) -> Result<(), &'static str> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let name = origin.split_once("://").map(|(_, name)| name);
    let public = state.public_websocket_base.as_deref().and_then(|base| base.split_once("://"));
    let is_own = name.is_some() && (name == host || name == public.map(|(_, host)| host));
    if is_own || state.cors.admit(origin) {
        return Ok(());
    }
    Err("requests from web pages of other servers are not allowed: if the page is this server's own, set \
         SERVER_PUBLIC_URL to the name that it has there, else add its origin to API_CORS_ORIGINS")
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
        let near = HostPolicy::Near(vec!["agents.example.com".into()]);
        for host in ["server:8000", "server", "10.0.0.1:8000", "[::1]", "Agents.example.com"] {
            assert!(near.admits(host), "{host}");
        }
        for host in ["evil.example", "server.:8000", "", ":8000", "a:b"] {
            assert!(!near.admits(host), "{host}");
        }
    }
}

//! Who may call, and under which name of the server.

use std::net::IpAddr;
use std::sync::Arc;

use api::Code;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::refusal::Refusal;
use crate::state::AppState;

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
    /// Any: the server is meant to be reached from elsewhere and has its own authentication.
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

fn header<'a>(headers: &'a HeaderMap, name: &axum::http::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Refuses requests under a foreign name, and browsers' requests from foreign pages.
pub(crate) async fn check_host(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let host =
        header(request.headers(), &HOST).or_else(|| request.uri().authority().map(|host| host.as_str()));
    let refuse =
        |detail: String| Refusal::new(StatusCode::FORBIDDEN, Code::HostNotAllowed, detail).into_response();
    if let Some(host) = host
        && !state.hosts.admits(host)
    {
        return refuse(
            "the Host header names another server: set SERVER_PUBLIC_URL to that name to allow it".into(),
        );
    }
    if let Some(origin) = request.headers().get(ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        let public = state.public_websocket_base.as_deref().and_then(|base| base.split_once("://"));
        let known = origin.is_some() && (origin == host || origin == public.map(|(_, host)| host));
        if !known {
            return refuse("requests from web pages of other servers are not allowed".into());
        }
    }
    next.run(request).await
}

/// Refuses callers without the key.
pub(crate) async fn check_key(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let Some(key) = &state.api_key else { return next.run(request).await };
    let headers = request.headers();
    let bearer = headers.get(AUTHORIZATION).map(|value| {
        let value = value.as_bytes();
        match value.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
            _ => b"",
        }
    });
    let shown = bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()));
    match shown {
        None => Refusal::new(
            StatusCode::UNAUTHORIZED,
            Code::Unauthorized,
            "an API key is needed: send `Authorization: Bearer <key>` or `X-API-Key: <key>`",
        )
        .into_response(),
        Some(shown) if key.matches(shown) => next.run(request).await,
        Some(_) => {
            Refusal::new(StatusCode::FORBIDDEN, Code::Forbidden, "the API key is wrong").into_response()
        }
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

//! How a request reached the server: from whom, through which proxies, under which name.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::forwarded::Forwarded;
use crate::state::AppState;

/// What a request's connection is; whoever serves it puts that into the request's extensions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Link {
    /// TCP.
    #[default]
    Plain,
    /// TCP with TLS.
    Encrypted,
    /// A Unix socket: somebody on this machine.
    UnixSocket,
}

/// Proxies that are believed when they say for whom they speak.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are.
    pub networks: Vec<IpNet>,
    /// Whether whoever connects to the Unix socket is one.
    pub unix_socket: bool,
}

impl TrustedProxies {
    /// Whether a proxy has that address.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// How a request reached the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Whose request it is, as far as is known.
    pub(crate) client: Option<IpAddr>,
    /// Whether it came from a proxy that is trusted.
    pub(crate) is_proxied: bool,
    /// Whether the client speaks TLS, be it with a proxy.
    pub(crate) is_encrypted: bool,
    /// The name under which the client knows the server.
    pub(crate) host: Option<String>,
}

impl Reached {
    /// What the connection and the headers tell. `host` is the name in the request itself.
    pub(crate) fn new(
        proxies: &TrustedProxies,
        extensions: &Extensions,
        headers: &HeaderMap,
        host: Option<&str>,
    ) -> Self {
        let link = extensions.get::<Link>().copied().unwrap_or_default();
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        let direct = Self {
            client: peer,
            is_proxied: match link {
                Link::UnixSocket => proxies.unix_socket,
                Link::Plain | Link::Encrypted => peer.is_some_and(|peer| proxies.has(peer)),
            },
            is_encrypted: link == Link::Encrypted,
            host: host.map(str::to_owned),
        };
        if direct.is_proxied { direct.through(proxies, headers) } else { direct }
    }

    /// The same, with what the proxy says of it.
    fn through(self, proxies: &TrustedProxies, headers: &HeaderMap) -> Self {
        let said = Forwarded::read(headers);
        Self {
            client: said.client(self.client, |address| proxies.has(address)),
            is_proxied: true,
            is_encrypted: said.is_encrypted.unwrap_or(self.is_encrypted),
            host: said.host.map(str::to_owned).or(self.host),
        }
    }

    /// What URLs of WebSockets begin with, for this client.
    pub(crate) fn websocket_base(&self, state: &AppState) -> String {
        state.public_websocket_base.clone().unwrap_or_else(|| {
            let scheme = if self.is_encrypted { "wss" } else { "ws" };
            format!("{scheme}://{}", self.host.as_deref().unwrap_or("localhost"))
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Reached {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn reached(peer: &str, link: Link, headers: &[(&'static str, &str)]) -> Reached {
        let proxies = TrustedProxies {
            networks: vec!["127.0.0.1/32".parse().expect("one"), "10.0.0.0/8".parse().expect("some")],
            unix_socket: true,
        };
        let mut extensions = Extensions::new();
        extensions.insert(link);
        if let Ok(peer) = peer.parse() {
            extensions.insert(ConnectInfo(SocketAddr::new(peer, 5)));
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        Reached::new(&proxies, &extensions, &map, Some("inner:8000"))
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let headers = [
            ("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "agents.example.com"),
        ];
        let believed = Reached {
            client: "203.0.113.9".parse().ok(),
            is_proxied: true,
            is_encrypted: true,
            host: Some("agents.example.com".into()),
        };
        assert_eq!(reached("::ffff:127.0.0.1", Link::Plain, &headers), believed);
        assert_eq!(reached("", Link::UnixSocket, &headers), believed);
        let direct = Reached {
            client: "203.0.113.7".parse().ok(),
            is_proxied: false,
            is_encrypted: false,
            host: Some("inner:8000".into()),
        };
        assert_eq!(reached("203.0.113.7", Link::Plain, &headers), direct);
    }

    #[test]
    fn a_proxy_that_says_nothing_is_the_client_itself() {
        let silent = reached("10.0.0.1", Link::Encrypted, &[]);
        let host = Some("inner:8000".into());
        let client = "10.0.0.1".parse().ok();
        assert_eq!(silent, Reached { client, is_proxied: true, is_encrypted: true, host });
    }
}

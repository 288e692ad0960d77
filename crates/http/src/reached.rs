//! How a request reached the server: from whom, through which proxies, under which name.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::forwarded::Forwarded;
use crate::guard::without_port;
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

/// The server's end of a request's connection; whoever serves it puts that into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAddress(pub SocketAddr);

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
    /// Where the connection ends here.
    pub(crate) local: Option<SocketAddr>,
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
            // Of an address in IPv6, its scope means something on this machine only.
            local: extensions
                .get::<LocalAddress>()
                .map(|local| SocketAddr::new(local.0.ip().to_canonical(), local.0.port())),
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
            local: self.local,
        }
    }

    /// What URLs of WebSockets begin with, for this client.
    pub(crate) fn websocket_base(&self, state: &AppState) -> String {
        state.public_websocket_base.clone().unwrap_or_else(|| {
            let scheme = if self.is_encrypted { "wss" } else { "ws" };
            format!("{scheme}://{}", self.authority())
        })
    }

    /// Name and port that the client can connect to. A request of HTTP/1.0 need not tell what it called.
    fn authority(&self) -> String {
        match (self.host.as_deref().filter(|host| !host.is_empty()), self.local) {
            (Some(host), _) => specified(host),
            (None, Some(local)) => local.to_string(),
            (None, None) => "localhost".to_owned(),
        }
    }
}

/// Whoever connects to the unspecified address reaches its own machine by it; as part of a URL, not every program takes it.
fn specified(host: &str) -> String {
    let name = without_port(host);
    let port = host.strip_prefix(name).unwrap_or_default();
    match name.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => format!("127.0.0.1{port}"),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[::1]{port}"),
        _ => host.to_owned(),
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
        extensions.insert(LocalAddress("[::ffff:10.9.9.9]:8000".parse().expect("an address")));
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
            local: "10.9.9.9:8000".parse().ok(),
        };
        assert_eq!(reached("::ffff:127.0.0.1", Link::Plain, &headers), believed);
        assert_eq!(reached("", Link::UnixSocket, &headers), believed);
        let direct = Reached {
            client: "203.0.113.7".parse().ok(),
            is_proxied: false,
            is_encrypted: false,
            host: Some("inner:8000".into()),
            local: "10.9.9.9:8000".parse().ok(),
        };
        assert_eq!(reached("203.0.113.7", Link::Plain, &headers), direct);
    }

    #[test]
    fn a_proxy_that_says_nothing_is_the_client_itself() {
        let silent = reached("10.0.0.1", Link::Encrypted, &[]);
        let host = Some("inner:8000".into());
        let client = "10.0.0.1".parse().ok();
        let local = "10.9.9.9:8000".parse().ok();
        assert_eq!(silent, Reached { client, is_proxied: true, is_encrypted: true, host, local });
    }

    #[test]
    fn urls_name_what_can_be_connected_to() {
        let authority = |host: Option<&str>, local: &str| {
            let (host, local) = (host.map(str::to_owned), local.parse().ok());
            Reached { host, local, ..Reached::default() }.authority()
        };
        for (host, expected) in [
            (Some("0.0.0.0:8000"), "127.0.0.1:8000"),
            (Some("0.0.0.0"), "127.0.0.1"),
            (Some("[::]:8000"), "[::1]:8000"),
            (Some("[::]"), "[::1]"),
            (Some("[::ffff:0.0.0.0]:80"), "127.0.0.1:80"),
            (Some("192.0.2.1:8000"), "192.0.2.1:8000"),
            (Some("agents.example.com"), "agents.example.com"),
            (Some(""), "10.9.9.9:81"),
            (None, "10.9.9.9:81"),
        ] {
            assert_eq!(authority(host, "10.9.9.9:81"), expected, "{host:?}");
        }
        assert_eq!(authority(None, "[2001:db8::1]:81"), "[2001:db8::1]:81");
        assert_eq!(authority(None, "a Unix socket"), "localhost");
    }
}

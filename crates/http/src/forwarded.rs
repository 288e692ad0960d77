//! What proxies say about requests that they pass on: `X-Forwarded-*`, or `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};

/// From the client on, each as the next one saw it; `None` for one that is hidden.
type Chain = Vec<Option<IpAddr>>;

/// What the headers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded<'a> {
    /// By `X-Forwarded-For` and by `Forwarded`, of those that are there.
    chains: Vec<Chain>,
    /// Whether the client speaks TLS.
    pub(crate) is_encrypted: Option<bool>,
    /// The name that the client called.
    pub(crate) host: Option<&'a str>,
}

impl<'a> Forwarded<'a> {
    /// Reads them. What makes no sense is as if it were not there.
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        let first = |name: &'static str| items(headers, HeaderName::from_static(name)).next();
        let elements: Vec<_> = items(headers, FORWARDED).collect();
        let outermost = elements.first().copied().unwrap_or_default();
        let addresses = items(headers, HeaderName::from_static("x-forwarded-for")).map(address);
        let chains = [addresses.collect(), elements.iter().map(address_of).collect()];
        let scheme = first("x-forwarded-proto").or_else(|| parameter(outermost, "proto"));
        let host = first("x-forwarded-host").or_else(|| parameter(outermost, "host"));
        Self {
            chains: chains.into_iter().filter(|chain: &Chain| !chain.is_empty()).collect(),
            is_encrypted: scheme.and_then(|scheme| match scheme.to_ascii_lowercase().as_str() {
                "https" | "wss" => Some(true),
                "http" | "ws" => Some(false),
                _ => None,
            }),
            host: host
                .filter(|host| host.parse::<Authority>().is_ok_and(|name| !name.as_str().contains('@'))),
        }
    }

    /// Whose request it is that this proxy passes on: the last one in the chain whom nobody trusts. What stands before that
    /// one, it may have written itself. A proxy passes on a header that it does not know, so when there are two and they
    /// differ, neither is believed.
    pub(crate) fn client(
        &self,
        proxy: Option<IpAddr>,
        is_trusted: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let mut clients = self.chains.iter().map(|chain| last_untrusted(chain, proxy, &is_trusted));
        let client = clients.next().unwrap_or(proxy);
        if clients.all(|other| other == client) { client } else { proxy }
    }
}

fn last_untrusted(
    chain: &[Option<IpAddr>],
    proxy: Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut client = proxy;
    for address in chain.iter().rev() {
        let Some(address) = address else { break };
        client = Some(*address);
        if !is_trusted(*address) {
            break;
        }
    }
    client
}

/// The parts of a list that may be spread over several headers.
fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn address_of(element: &&str) -> Option<IpAddr> {
    parameter(element, "for").and_then(address)
}

fn parameter<'a>(element: &'a str, wanted: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"'))
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let address = text.parse::<SocketAddr>().ok().map(|address| address.ip()).or_else(bare);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    fn client(given: &[(&'static str, &str)]) -> Option<String> {
        let proxy = "127.0.0.1".parse().ok();
        let is_trusted = |address: IpAddr| address.to_string().starts_with("10.");
        Forwarded::read(&headers(given)).client(proxy, is_trusted).map(|address| address.to_string())
    }

    #[test]
    fn the_client_is_the_last_one_that_nobody_trusts() {
        for (given, expected) in [
            (&[("x-forwarded-for", "6.6.6.6, 203.0.113.9")][..], "203.0.113.9"),
            (
                &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9:443, 10.0.0.1")],
                "203.0.113.9",
            ),
            (&[("x-forwarded-for", "10.0.0.2, 10.0.0.1")], "10.0.0.2"),
            (&[("x-forwarded-for", "203.0.113.9, garbage, 10.0.0.1")], "10.0.0.1"),
            (&[("forwarded", "for=6.6.6.6, For=\"[2001:db8::1]:4711\";proto=https")], "2001:db8::1"),
            (&[("forwarded", "for=_hidden")], "127.0.0.1"),
            (&[("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")], "1.1.1.1"),
            (&[("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=2.2.2.2")], "127.0.0.1"),
            (&[], "127.0.0.1"),
        ] {
            assert_eq!(client(given).as_deref(), Some(expected), "{given:?}");
        }
    }

    #[test]
    fn scheme_and_name_are_what_the_client_used() {
        let read = |given: &[(&'static str, &str)]| {
            let headers = headers(given);
            let said = Forwarded::read(&headers);
            (said.is_encrypted, said.host.map(str::to_owned))
        };
        let name = || Some("agents.example.com:444".to_owned());
        let given = [("x-forwarded-proto", "https, http"), ("x-forwarded-host", "agents.example.com:444")];
        assert_eq!(read(&given), (Some(true), name()));
        let given = [("forwarded", "for=x;PROTO=http;host=\"agents.example.com:444\", for=y;proto=https")];
        assert_eq!(read(&given), (Some(false), name()));
        assert_eq!(read(&[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b/c")]), (None, None));
        assert_eq!(read(&[("x-forwarded-host", "user@agents.example.com")]), (None, None));
    }
}

//! What of a message's head goes on to the other side.

use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName};

/// The header of an API key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Headers that are about one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes what is about the connection that the message came over, also what it names itself.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Prepares a request's headers for the API: without the agent's key, and without what the client writes itself.
pub(crate) fn for_upstream(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    for name in [HOST, CONTENT_LENGTH, EXPECT, AUTHORIZATION, API_KEY] {
        headers.remove(name);
    }
}

/// The key that a request brings.
pub(crate) fn key(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get(API_KEY) {
        return Some(key.as_bytes());
    }
    headers.get(AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let parsed = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        parsed.collect()
    }

    #[test]
    fn what_is_about_the_connection_or_the_agent_stays_here() {
        let mut found = headers(&[
            ("accept-encoding", "gzip, br"),
            ("anthropic-beta", "a,b"),
            ("authorization", "Bearer k"),
            ("connection", "close, X-Odd"),
            ("content-length", "3"),
            ("content-type", "application/json"),
            ("host", "127.0.0.1:1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("x-api-key", "k"),
            ("x-odd", "1"),
        ]);
        for_upstream(&mut found);
        let expected = headers(&[
            ("accept-encoding", "gzip, br"),
            ("anthropic-beta", "a,b"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_key_comes_in_either_header() {
        assert_eq!(key(&headers(&[("x-api-key", "k")])), Some(&b"k"[..]));
        assert_eq!(key(&headers(&[("authorization", "Bearer k")])), Some(&b"k"[..]));
        assert_eq!(key(&headers(&[("authorization", "Basic k")])), None);
    }
}

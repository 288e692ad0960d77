//! What a request for events asks for: from where on, for how long, and in which form.

use std::time::Duration;

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName};

use crate::query::{LARGEST, Parameters, whole};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Longest wait for a page, in seconds.
const MAX_WAIT_SECONDS: u64 = 60;

/// In which form events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As Server-Sent Events.
    Stream,
    /// As one JSON document.
    Page,
}

/// The form that a request's headers ask for.
pub(crate) fn way(headers: &HeaderMap) -> Way {
    way_of(headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()))
}

/// The cursor after which events are wanted. A browser that reconnects repeats its URL and says in the header how far it
/// has come.
pub(crate) fn after(headers: &HeaderMap, parameters: &mut Parameters) -> Option<u64> {
    let after = parameters.whole("after", 0..=LARGEST);
    let last = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let Some(last) = last else { return after };
    match whole(last.to_str().unwrap_or_default(), &(0..=LARGEST)) {
        Ok(last) => Some(last),
        Err(detail) => {
            parameters.fault("Last-Event-ID", detail);
            after
        }
    }
}

/// How long a page is waited for.
pub(crate) fn wait(parameters: &mut Parameters) -> Duration {
    Duration::from_secs(parameters.whole("wait", 0..=MAX_WAIT_SECONDS).unwrap_or(0))
}

/// A stream goes to those who name its media type and do not like JSON better.
fn way_of<'a>(accepts: impl Iterator<Item = &'a str>) -> Way {
    let (mut stream, mut page) = (0.0, 0.0);
    for range in accepts.flat_map(|accept| accept.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
        if kind.eq_ignore_ascii_case("text/event-stream") {
            stream = quality;
        } else if kind.eq_ignore_ascii_case("application/json") {
            page = quality;
        }
    }
    if stream > 0.0 && stream >= page { Way::Stream } else { Way::Page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_goes_to_those_who_ask_for_one() {
        for accept in [
            "text/event-stream",
            "Text/Event-Stream; charset=utf-8",
            "application/json;q=0.9, text/event-stream",
            "*/*;q=0.1, text/event-stream;q=0.2",
        ] {
            assert_eq!(way_of([accept].into_iter()), Way::Stream, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/*",
            "application/json",
            "text/event-stream;q=0",
            "application/json, text/event-stream; q=0.5",
        ] {
            assert_eq!(way_of([accept].into_iter()), Way::Page, "{accept}");
        }
        assert_eq!(way_of(["text/html", "text/event-stream"].into_iter()), Way::Stream);
    }
}

//! Events as one JSON document, put together from the stored bytes.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Batch, Entry, Failed, Source};

/// Waits for events, at most that long and not when the server stops. Gives what came, or how far was looked: the cursor
/// is at least `after`.
pub(crate) async fn gather<S: Source>(
    source: &mut S,
    after: u64,
    patience: Duration,
    closing: &CancellationToken,
) -> Result<Batch, Failed> {
    let until = Instant::now() + patience;
    let mut gathered = Batch { entries: Vec::new(), cursor: after, last: false };
    while gathered.entries.is_empty() && !gathered.last {
        let batch = tokio::select! {
            biased;
            batch = timeout_at(until, source.next()) => batch,
            () = closing.cancelled() => break,
        };
        let Ok(batch) = batch else { break };
        let batch = batch?;
        gathered = Batch { cursor: batch.cursor.max(gathered.cursor), ..batch };
        yield_now().await;
    }
    Ok(gathered)
}

/// The answer with those events, and what else there is to say.
pub(crate) fn response(entries: &[Entry], rest: &str) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (VARY, "Accept")];
    (headers, document(entries, rest)).into_response()
}

/// `{"events":[…],…}`, from the stored bytes and the fields after them.
fn document(entries: &[Entry], rest: &str) -> Bytes {
    let size: usize = entries.iter().map(|entry| entry.json.len() + 1).sum();
    let mut json = BytesMut::with_capacity(size + rest.len() + 16);
    json.put_slice(b"{\"events\":[");
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 {
            json.put_u8(b',');
        }
        json.put_slice(&entry.json);
    }
    json.put_slice(b"],");
    json.put_slice(rest.as_bytes());
    json.put_u8(b'}');
    json.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_the_stored_bytes_as_they_are() {
        let entry = |json: &'static str| Entry { cursor: 1, json: Bytes::from_static(json.as_bytes()) };
        assert_eq!(document(&[], "\"next_after\":7"), r#"{"events":[],"next_after":7}"#);
        let entries = [entry(r#"{"a": 1}"#), entry(r#"{"b":"ä"}"#)];
        assert_eq!(
            document(&entries, r#""next_after":9,"complete":true"#),
            r#"{"events":[{"a": 1},{"b":"ä"}],"next_after":9,"complete":true}"#
        );
    }
}

//! Events as Server-Sent Events: `id` is the cursor, `event` the type, `data` the stored bytes.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use api::kind_of;
use axum::body::Body;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::unfold;
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::until_stop::UntilStop;
use super::{Entry, Position, Source};
use crate::state::AppState;

/// Keeps proxies from closing a quiet connection.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long a client waits before it connects again, in milliseconds.
const RETRY: &[u8] = b"retry: 1000\n\n";
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";
/// Bytes around an event's data, about.
const FRAME_BYTES: usize = 64;

/// A response that goes on until the source has no more, or the server stops.
pub(crate) fn response<S: Source>(state: Arc<AppState>, source: S) -> Response {
    let mut ticks = interval(KEEP_ALIVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let open = state.streams.token();
    let position = Position::beginning(source.begins_at());
    let source = UntilStop::new(source, state.closing.clone());
    let stream = Stream { source, ticks, position, phase: Phase::Opening, _open: open };
    let chunks = unfold(stream, |mut stream| async move {
        let chunk = Box::pin(stream.chunk()).await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "Accept"),
        // Some proxies gather a response before they pass it on, unless this says not to.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Ended,
}

struct Stream<S> {
    source: UntilStop<S>,
    ticks: Interval,
    position: Position,
    phase: Phase,
    _open: TaskTrackerToken,
}

impl<S: Source> Stream<S> {
    /// What is sent next: everything that is there, at once.
    async fn chunk(&mut self) -> Option<Bytes> {
        if self.phase == Phase::Opening {
            self.phase = Phase::Open;
            let mut opening = BytesMut::from(RETRY);
            if let Some(cursor) = self.source.begins_at() {
                opening.put_slice(&keep_alive(Some(cursor)));
            }
            return Some(opening.freeze());
        }
        while self.phase == Phase::Open {
            tokio::select! {
                biased;
                _ = self.ticks.tick() => return Some(keep_alive(self.position.tell())),
                batch = self.source.next() => {
                    let batch = batch?.ok()?;
                    self.position.sent(&batch);
                    if batch.last {
                        self.phase = Phase::Ended;
                    }
                    if !batch.entries.is_empty() {
                        return Some(frames(&batch.entries));
                    }
                }
            }
            // A filter may let nothing through for long, and others want to work too.
            yield_now().await;
        }
        None
    }
}

fn keep_alive(cursor: Option<u64>) -> Bytes {
    match cursor {
        Some(cursor) => Bytes::from(format!("id: {cursor}\nevent: cursor\ndata: {{}}\n\n")),
        None => Bytes::from_static(KEEP_ALIVE),
    }
}

fn frames(entries: &[Entry]) -> Bytes {
    let size = entries.iter().map(|entry| entry.json.len() + FRAME_BYTES).sum();
    let mut frames = BytesMut::with_capacity(size);
    for entry in entries {
        frame(&mut frames, entry);
    }
    frames.freeze()
}

fn frame(frames: &mut BytesMut, entry: &Entry) {
    // Memory takes whatever is written to it.
    writeln!(frames.writer(), "id: {}", entry.cursor).ok();
    if let Some(kind) = kind_of(&entry.json) {
        frames.put_slice(b"event: ");
        frames.put_slice(kind.as_bytes());
        frames.put_u8(b'\n');
    }
    // An event has no line ends. If one had, it would still be one event: a client puts its lines together.
    for line in entry.json.split(|byte| matches!(byte, b'\n' | b'\r')) {
        frames.put_slice(b"data: ");
        frames.put_slice(line);
        frames.put_u8(b'\n');
    }
    frames.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cursor: u64, json: &'static str) -> Entry {
        Entry { cursor, json: Bytes::from_static(json.as_bytes()) }
    }

    #[test]
    fn an_event_is_framed_with_its_bytes_as_they_are() {
        let entries = [entry(7, r#"{"type":"tool_use","a": "ä\n"}"#), entry(8, "{}")];
        assert_eq!(
            frames(&entries),
            "id: 7\nevent: tool_use\ndata: {\"type\":\"tool_use\",\"a\": \"ä\\n\"}\n\nid: 8\ndata: {}\n\n"
        );
    }

    #[test]
    fn a_line_end_in_an_event_cannot_end_its_frame() {
        let entries = [entry(7, "{\"a\":\n\n1,\r\"id\": 9}")];
        assert_eq!(frames(&entries), "id: 7\ndata: {\"a\":\ndata: \ndata: 1,\ndata: \"id\": 9}\n\n");
    }

    #[test]
    fn a_keep_alive_tells_the_cursor_when_it_moved() {
        assert_eq!(keep_alive(None), ": keep-alive\n\n");
        assert_eq!(keep_alive(Some(5)), "id: 5\nevent: cursor\ndata: {}\n\n");
    }
}

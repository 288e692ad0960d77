//! Events over a WebSocket, one JSON object a text frame.

use std::future::Future;
use std::time::Duration;

use api::Code;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::until_stop::UntilStop;
use super::{Batch, Failed, Position, Source};
use crate::refusal::Refusal;
use crate::state::AppState;

/// Keeps proxies from closing a quiet connection.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a client that has left, or any when the server stops, may take to answer a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How long one may take that has not read to the end yet: what it sends meanwhile would reset a connection that we had
/// let go of, and cost it what it has not read.
const READ_WITHIN: Duration = Duration::from_secs(600);
/// We read nothing but control frames.
const MAX_INCOMING_BYTES: usize = 64 * 1024;
/// A connection's read buffer; the default is 128 KiB.
const READ_BUFFER_BYTES: usize = 8 * 1024;

type Sink = SplitSink<WebSocket, Message>;

/// Why a stream ends, with the close code that says so (RFC 6455, section 7.4.1).
pub(crate) enum End {
    /// The task has ended and all was sent.
    Complete,
    /// The server stops: reconnect with `?after`.
    Restart,
    /// There is no such task; the text says so.
    Unknown(Bytes),
    /// The events are gone or cannot be read.
    Failed,
    /// The client has left.
    Left,
}

impl From<Failed> for End {
    fn from(_: Failed) -> Self {
        Self::Failed
    }
}

/// A handshake, with limits on what clients may send.
pub(crate) fn accept(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<WebSocketUpgrade, Refusal> {
    Ok(upgrade
        .map_err(no_handshake)?
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(MAX_INCOMING_BYTES)
        .max_frame_size(MAX_INCOMING_BYTES))
}

/// Who asks for a WebSocket in a way that is not that of RFC 6455 has a fault; who does not ask for one is told to.
fn no_handshake(rejection: WebSocketUpgradeRejection) -> Refusal {
    match rejection {
        WebSocketUpgradeRejection::WebSocketKeyHeaderMissing(_) => Refusal::new(
            StatusCode::BAD_REQUEST,
            Code::InvalidRequest,
            "the WebSocket handshake is broken: it needs Sec-WebSocket-Key",
        ),
        _ => Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            Code::UpgradeRequired,
            "this path is a WebSocket of version 13: connect with ws:// or wss://",
        ),
    }
}

/// Sends what comes from a source, once there is one, until the end, and closes.
pub(crate) async fn serve<S: Source>(
    state: &AppState,
    socket: WebSocket,
    source: impl Future<Output = Result<S, End>>,
) {
    let (mut sink, mut stream) = socket.split();
    let end = match source.await {
        // Reading goes on while a write waits for a slow client: pings are answered, and a close is noticed.
        Ok(source) => tokio::select! {
            end = pump(state, source, &mut sink) => end,
            () = until_closed(&mut stream) => End::Left,
        },
        Err(end) => end,
    };
    close(state, end, S::RESTART, sink, stream).await;
}

async fn pump<S: Source>(state: &AppState, source: S, sink: &mut Sink) -> End {
    let mut source = UntilStop::new(source, state.closing.clone());
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let begins_at = source.begins_at();
    let mut position = Position::beginning(begins_at);
    if let Some(cursor) = begins_at
        && sink.send(cursor_text(cursor)).await.is_err()
    {
        return End::Left;
    }
    loop {
        let sent = tokio::select! {
            biased;
            _ = ping.tick() => send_ping(sink, position.tell()).await,
            batch = source.next() => match batch {
                None => return End::Restart,
                Some(Ok(batch)) => {
                    position.sent(&batch);
                    let last = batch.last;
                    match send::<S>(sink, batch).await {
                        Ok(()) if last => return End::Complete,
                        sent => sent,
                    }
                }
                Some(Err(failed)) => return failed.into(),
            },
        };
        if sent.is_err() {
            return End::Left;
        }
    }
}

/// Takes in what the client sends, which means nothing to us, until it leaves. Reading is also what answers its pings
/// and its close.
async fn until_closed(stream: &mut SplitStream<WebSocket>) {
    while let Some(Ok(_)) = stream.next().await {}
}

/// Writes a batch and flushes once: many times faster than a flush for each event.
async fn send<S: Source>(sink: &mut Sink, batch: Batch) -> Result<(), axum::Error> {
    if batch.entries.is_empty() {
        // A filter may let nothing through for long, and others want to work too.
        yield_now().await;
        return Ok(());
    }
    for entry in batch.entries {
        sink.feed(Message::Text(text(S::text(entry)))).await?;
    }
    sink.flush().await
}

/// A cursor that comes alone.
fn cursor_text(cursor: u64) -> Message {
    Message::Text(format!("{{\"cursor\":{cursor}}}").into())
}

/// Shows that the connection lives, and how far the reader has come when no event told it.
async fn send_ping(sink: &mut Sink, cursor: Option<u64>) -> Result<(), axum::Error> {
    if let Some(cursor) = cursor {
        sink.feed(cursor_text(cursor)).await?;
    }
    sink.send(Message::Ping(Bytes::new())).await
}

/// The stored bytes as they are, not a copy.
fn text(json: Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(json).unwrap_or_else(|_| {
        tracing::error!("a stored event is not UTF-8");
        Utf8Bytes::from_static("{}")
    })
}

/// Closes with a code, and reads until the other side has answered: a socket that is dropped with unread input
/// resets the connection, and the last events may be lost on their way.
async fn close(
    state: &AppState,
    end: End,
    restart: &'static str,
    mut sink: Sink,
    mut stream: SplitStream<WebSocket>,
) {
    let (code, reason) = match end {
        End::Left => {
            if timeout(CLOSE_WITHIN, until_closed(&mut stream)).await.is_err() {
                tracing::debug!("a client that had left did not close its stream");
            }
            return;
        }
        End::Complete => (close_code::NORMAL, "the task has ended"),
        End::Restart => (close_code::RESTART, restart),
        End::Failed => (close_code::ERROR, "the events cannot be read"),
        End::Unknown(event) => {
            if sink.feed(Message::Text(text(event))).await.is_err() {
                return;
            }
            (close_code::POLICY, "there is no such task")
        }
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let goodbye = async {
        if sink.send(Message::Close(Some(frame))).await.is_ok() {
            until_closed(&mut stream).await;
        }
    };
    let give_up = async {
        if timeout(READ_WITHIN, state.closing.cancelled()).await.is_ok() {
            sleep(CLOSE_WITHIN).await;
        }
    };
    tokio::select! {
        biased;
        () = goodbye => {}
        () = give_up => tracing::debug!("a client did not answer the close of its stream"),
    }
}

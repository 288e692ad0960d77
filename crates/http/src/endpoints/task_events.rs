//! `GET /ws/tasks/{task_id}`: a task's events over a WebSocket, from the first on or after `?after=SEQ`, then live.

use std::sync::Arc;
use std::time::Duration;

use api::{Code, ErrorData, transient_error};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::TaskId;
use engine::{Batch, Subscription, SubscriptionError};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use store::EncodedEvent;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::refusal::Refusal;
use crate::state::AppState;

/// Existing clients connect up to a second before their task exists.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Keeps proxies from closing a quiet connection.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long the other side may take to answer a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// We read nothing but control frames.
const MAX_INCOMING_BYTES: usize = 64 * 1024;
/// A connection's read buffer; the default is 128 KiB.
const READ_BUFFER_BYTES: usize = 8 * 1024;

#[derive(Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    after: u64,
}

pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|_| {
        Refusal::new(
            StatusCode::UPGRADE_REQUIRED,
            Code::UpgradeRequired,
            "this path is a WebSocket: connect with ws:// or wss://",
        )
    })?;
    let Query(Parameters { after }) =
        parameters.map_err(|_| crate::submission::invalid("?after", "must be a whole number"))?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(MAX_INCOMING_BYTES)
        .max_frame_size(MAX_INCOMING_BYTES);
    let open = state.streams.token();
    Ok(upgrade.on_upgrade(move |socket| async move {
        Box::pin(serve(state, id, after, socket)).await;
        drop(open);
    }))
}

type Sink = SplitSink<WebSocket, Message>;

/// Why a stream ends, with the close code that says so (RFC 6455, section 7.4.1).
enum End {
    /// The task has ended and all was sent.
    Complete,
    /// The server stops: reconnect with `?after`.
    Restart,
    /// There is no such task.
    Unknown(ErrorData),
    /// The events are gone or cannot be read.
    Failed,
    /// The client has left.
    Left,
}

async fn serve(state: Arc<AppState>, id: String, after: u64, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let subscription = match TaskId::parse(&id) {
        Ok(task) => state.engine.subscribe_soon(&task, after, PATIENCE).await,
        Err(_) => Ok(None),
    };
    let end = match subscription {
        // Reading goes on while a write waits for a slow client: pings are answered, and a close is noticed.
        Ok(Some(subscription)) => tokio::select! {
            end = pump(&state, subscription, &mut sink) => end,
            () = until_closed(&mut stream) => End::Left,
        },
        Ok(None) => {
            let error = format!("there is no task {id:?}");
            End::Unknown(ErrorData { error, code: "task_not_found", retryable: true })
        }
        Err(error) => {
            tracing::error!(%error, "events could not be read");
            End::Failed
        }
    };
    close(&state, &id, end, sink, stream).await;
}

async fn pump(state: &AppState, mut subscription: Subscription, sink: &mut Sink) -> End {
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        tokio::select! {
            // Events first: when the server stops, what is committed is still sent.
            biased;
            batch = subscription.next() => match batch {
                Ok(Batch { events, complete }) => {
                    if send(sink, events).await.is_err() {
                        return End::Left;
                    }
                    if complete {
                        return End::Complete;
                    }
                }
                Err(SubscriptionError::Gone) => return End::Failed,
                Err(SubscriptionError::Store(error)) => {
                    tracing::error!(%error, "events could not be read");
                    return End::Failed;
                }
            },
            () = state.closing.cancelled() => return End::Restart,
            _ = ping.tick() => {
                if sink.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                    return End::Left;
                }
            }
        }
    }
}

/// Takes in what the client sends, which means nothing to us, until it leaves. Reading is also what answers its pings
/// and its close.
async fn until_closed(stream: &mut SplitStream<WebSocket>) {
    while let Some(Ok(_)) = stream.next().await {}
}

/// Writes a batch and flushes once: many times faster than a flush for each event.
async fn send(sink: &mut Sink, events: Vec<EncodedEvent>) -> Result<(), axum::Error> {
    for event in events {
        sink.feed(Message::Text(text(event.json))).await?;
    }
    sink.flush().await
}

/// The stored bytes as they are, not a copy.
fn text(json: bytes::Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(json).unwrap_or_else(|_| {
        tracing::error!("a stored event is not UTF-8");
        Utf8Bytes::from_static("{}")
    })
}

/// Closes with a code, and reads until the other side has answered: a socket that is dropped with unread input
/// resets the connection, and the last events may be lost on their way.
async fn close(state: &AppState, id: &str, end: End, mut sink: Sink, mut stream: SplitStream<WebSocket>) {
    let (code, reason) = match end {
        End::Left => {
            if timeout(CLOSE_WITHIN, until_closed(&mut stream)).await.is_err() {
                tracing::debug!("a client that had left did not close its stream");
            }
            return;
        }
        End::Complete => (close_code::NORMAL, "the task has ended"),
        End::Restart => (close_code::RESTART, "the server stops: reconnect with ?after=SEQ"),
        End::Failed => (close_code::ERROR, "the events cannot be read"),
        End::Unknown(error) => {
            let event = transient_error(state.clock.now(), id, &error);
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
    if timeout(CLOSE_WITHIN, goodbye).await.is_err() {
        tracing::debug!("a client did not answer the close of its stream");
    }
}

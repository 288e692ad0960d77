//! One connection to a task's stream.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{StatusCode, Url};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::client::ANSWER_WITHIN;
use crate::error::ClientError;

/// Above the longest line that an agent may write.
const MAX_EVENT_BYTES: usize = 256 * 1024 * 1024;
/// The stream's code for "there is no such task" (RFC 6455, section 7.4.1).
const CLOSED_BY_POLICY: u16 = 1008;
/// The stream's code for "the task has ended, and that was all".
const CLOSED_NORMALLY: u16 = 1000;
/// The server sends a ping every 20 s: whoever hears nothing for so long has lost it.
const SILENCE: Duration = Duration::from_secs(60);

/// An open stream.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Why a stream, or the way to one, ended before the task did.
#[derive(Debug)]
pub(crate) enum Cut {
    /// Another connection may do better.
    Connection(Error),
    /// The same, in words.
    Told(String),
    /// The server takes no stream now, and says so.
    Busy(StatusCode),
    /// Nothing was said while connecting.
    Silent,
    /// The server refused, and will again.
    Refused(ClientError),
}

impl Socket {
    /// Connects to a `ws` or `wss` address.
    pub(crate) async fn open(url: &Url, authorization: Option<&HeaderValue>) -> Result<Self, Cut> {
        let mut request = url.as_str().into_client_request().map_err(Cut::Connection)?;
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_EVENT_BYTES))
            .max_frame_size(Some(MAX_EVENT_BYTES));
        let connecting = Box::pin(connect_async_with_config(request, Some(limits), true));
        match timeout(ANSWER_WITHIN, connecting).await {
            Ok(Ok((socket, _))) => Ok(Self(socket)),
            Ok(Err(Error::Http(refusal))) => Err(refused(&refusal)),
            Ok(Err(error)) => Err(Cut::Connection(error)),
            Err(_) => Err(Cut::Silent),
        }
    }

    /// The next text; `None` when the server says that it has sent all there will be. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Utf8Bytes>, Cut> {
        loop {
            let message = timeout(SILENCE, self.0.next()).await;
            match message.map_err(|_| Cut::Told(format!("silence for {} s", SILENCE.as_secs())))? {
                Some(Ok(Message::Text(text))) => return Ok(Some(text)),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return match u16::from(frame.code) {
                        CLOSED_NORMALLY => Ok(None),
                        CLOSED_BY_POLICY => Err(Cut::Refused(no_such_task())),
                        code => {
                            Err(Cut::Told(format!("the server closed the stream: {} ({code})", frame.reason)))
                        }
                    };
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Cut::Connection(error)),
                None => return Err(Cut::Told("the stream ended before the task did".to_owned())),
            }
        }
    }
}

fn no_such_task() -> ClientError {
    ClientError::Refused {
        status: StatusCode::NOT_FOUND.as_u16(),
        code: "task_not_found".to_owned(),
        detail: "the server has no such task".to_owned(),
    }
}

fn refused(refusal: &Response<Option<Vec<u8>>>) -> Cut {
    let status = refusal.status();
    if may_pass(status.as_u16()) {
        return Cut::Busy(status);
    }
    let body = refusal.body().as_deref().unwrap_or_default();
    Cut::Refused(ClientError::refused(status.as_u16(), body))
}

/// Whether the same request may succeed later: too many requests, or a server or proxy that is not ready.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

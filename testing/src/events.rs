//! A subscriber of one task's events.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longest silence in any test.
const PATIENCE: Duration = Duration::from_secs(90);

/// A connection of any kind.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// An open stream.
pub struct EventStream {
    socket: WebSocketStream<Box<dyn Wire>>,
    /// The frames received so far, as they came.
    pub frames: Vec<String>,
    close_code: Option<u16>,
}

/// A stream that has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// All frames, as they came.
    pub frames: Vec<String>,
    /// The close code; `None` when the connection was cut.
    pub close_code: Option<u16>,
}

impl EventStream {
    /// Connects.
    pub async fn open(url: &str, headers: &[(&str, &str)]) -> Self {
        let authority = url.split('/').nth(2).expect("an address");
        let wire = TcpStream::connect(authority).await.expect("a connection");
        Self::over(Box::new(wire), url, headers).await
    }

    /// The same, over a connection that is there.
    pub async fn over(wire: Box<dyn Wire>, url: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = url.into_client_request().expect("a URL");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header value"));
        }
        let (socket, _) = client_async(request, wire).await.expect("a WebSocket");
        Self { socket, frames: Vec::new(), close_code: None }
    }

    /// The next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("an event in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let event = serde_json::from_str(&text).expect("an event is JSON");
                    self.frames.push(text.as_str().to_owned());
                    return Some(event);
                }
                Some(Ok(Message::Close(frame))) => self.close_code = frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Waits for an event.
    pub async fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Some(event) = self.next().await else {
                panic!("the stream ended before {what}; it brought {:#?}", self.frames)
            };
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Closes it from this side; gives the code with which the server answers.
    pub async fn close(mut self) -> Option<u16> {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
        self.socket.close(Some(frame)).await.expect("a close");
        self.finish().await.close_code
    }

    /// Reads to the end.
    pub async fn finish(mut self) -> Finished {
        while self.next().await.is_some() {}
        Finished { frames: self.frames, close_code: self.close_code }
    }
}

impl Finished {
    /// The events, parsed.
    pub fn events(&self) -> Vec<Value> {
        self.frames.iter().map(|frame| serde_json::from_str(frame).expect("an event is JSON")).collect()
    }

    /// The events' numbers.
    pub fn seqs(&self) -> Vec<u64> {
        self.events().iter().map(|event| event["seq"].as_u64().expect("a seq")).collect()
    }

    /// The events' types.
    pub fn types(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
    }

    /// Checks what holds for every finished task: numbers from 1 without holes, and one `complete`, at the end.
    /// Gives the data of `complete`.
    pub fn assert_whole(&self) -> Value {
        assert_eq!(self.seqs(), (1..=self.frames.len() as u64).collect::<Vec<_>>());
        let types = self.types();
        assert!(!types.is_empty(), "no event came: the stream was closed with {:?}", self.close_code);
        let completes: Vec<_> = types
            .iter()
            .enumerate()
            .filter(|(_, kind)| *kind == "complete")
            .map(|(place, _)| place)
            .collect();
        assert_eq!(completes, [types.len() - 1], "{types:?}");
        assert_eq!(self.close_code, Some(1000));
        self.events().pop().expect("an event")["data"].clone()
    }
}

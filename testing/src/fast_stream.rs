//! A subscriber that is no limit: it reads frames straight off the socket, and looks at nothing but their numbers.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Server;

/// Longest silence.
const PATIENCE: Duration = Duration::from_secs(300);
const BUFFER_BYTES: usize = 64 * 1024;
/// An event's number is within its first bytes, before anything that an agent says.
const HEAD_BYTES: usize = 128;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// An open stream.
pub struct FastStream {
    socket: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    last: u64,
    complete: bool,
    closed: bool,
}

impl FastStream {
    /// Connects; reads nothing but the answer to that.
    pub async fn open(server: &Server, task: &str, query: &str) -> Self {
        Self::at(server.url().trim_start_matches("http://"), task, query).await
    }

    /// The same, at `host:port`: whatever else speaks as the server does.
    pub async fn at(address: &str, task: &str, query: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("a connection");
        let request = format!(
            "GET /ws/tasks/{task}{query} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut stream = Self {
            socket,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            last: 0,
            complete: false,
            closed: false,
        };
        stream.socket.write_all(request.as_bytes()).await.expect("a request");
        // Byte by byte, so that what follows stays where it is: the server's and the kernel's.
        while !stream.buffer[..stream.end].ends_with(b"\r\n\r\n") {
            stream.buffer[stream.end] = stream.socket.read_u8().await.expect("an answer");
            stream.end += 1;
        }
        let head = String::from_utf8_lossy(&stream.buffer[..stream.end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream.end = 0;
        stream
    }

    /// Number of the last event that was read.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Takes what has come, at least one frame; false once the stream has ended as it should. Fails when an event is missing,
    /// comes twice, or comes after `complete`.
    pub async fn take(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        loop {
            let before = self.start;
            while let Some((opcode, start, end)) = self.frame() {
                self.start = end;
                match opcode {
                    TEXT => {
                        self.check(start, end);
                        each(&self.buffer[start..end]);
                    }
                    CLOSE => return self.close(start, end).await,
                    _ => {}
                }
            }
            if self.start > before {
                return true;
            }
            self.fill().await;
        }
    }

    /// Reads to the end; gives the number of events.
    pub async fn finish(mut self) -> u64 {
        while self.take(|_| {}).await {}
        self.last
    }

    /// The next frame, when all of it is here: its kind and where its content is.
    fn frame(&self) -> Option<(u8, usize, usize)> {
        let bytes = &self.buffer[self.start..self.end];
        let (length, head) = match bytes.get(1)? {
            126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
            short => (usize::from(*short), 2),
        };
        (bytes.len() >= head + length).then_some((
            bytes[0] & 0x0f,
            self.start + head,
            self.start + head + length,
        ))
    }

    async fn fill(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
        let read = timeout(PATIENCE, self.socket.read(&mut self.buffer[self.end..])).await;
        let read = read.expect("an event in time").expect("a read");
        assert!(read > 0, "the stream was cut after {}", self.last);
        self.end += read;
    }

    fn check(&mut self, start: usize, end: usize) {
        let event = &self.buffer[start..end];
        let seq = seq(event);
        assert!(
            seq == Some(self.last + 1),
            "{seq:?} after {}: {}",
            self.last,
            String::from_utf8_lossy(event)
        );
        assert!(!self.complete, "an event after the last: {}", String::from_utf8_lossy(event));
        self.last += 1;
        self.complete = event.starts_with(b"{\"type\":\"complete\"");
    }

    async fn close(&mut self, start: usize, end: usize) -> bool {
        let reason = &self.buffer[start..end];
        assert!(
            self.complete && reason.starts_with(&1000_u16.to_be_bytes()),
            "closed after {}: {reason:?}",
            self.last
        );
        if !self.closed {
            self.closed = true;
            // The same code, under a mask of zeros.
            let answer = [0x88, 0x82, 0, 0, 0, 0, reason[0], reason[1]];
            self.socket.write_all(&answer).await.expect("a close");
        }
        false
    }
}

fn seq(event: &[u8]) -> Option<u64> {
    let name = b"\"seq\":";
    let head = &event[..event.len().min(HEAD_BYTES)];
    let place = head.windows(name.len()).position(|window| window == name)? + name.len();
    let digits = head[place..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

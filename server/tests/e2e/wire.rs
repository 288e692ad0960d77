//! HTTP as bytes, for what no proper client does.

use std::time::Duration;

use testing::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest silence.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects to `http://address`.
pub(crate) async fn connect(url: &str) -> TcpStream {
    let address = url.split_once("://").expect("a URL").1;
    TcpStream::connect(address).await.expect("a connection")
}

/// Sends a request without a body, with these header lines, and reads the answer, whose connection stays open: its head, and
/// its body.
pub(crate) async fn ask(wire: &mut dyn Wire, path: &str, headers: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    wire.write_all(request.as_bytes()).await.expect("a request");
    answer(wire).await
}

/// Reads an answer.
pub(crate) async fn answer(wire: &mut dyn Wire) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, wire.read_u8()).await.expect("an answer in time").expect("an answer"));
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    timeout(PATIENCE, wire.read_exact(&mut body)).await.expect("a body in time").expect("a body");
    (head, String::from_utf8(body).expect("text"))
}

/// The status of an answer's head.
pub(crate) fn status(head: &str) -> &str {
    head.split(' ').nth(1).expect("a status")
}

/// Reads until the server closes the connection.
pub(crate) async fn closed(wire: &mut dyn Wire) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end, too.
    timeout(PATIENCE, wire.read_to_end(&mut rest)).await.expect("an end in time").ok();
    rest
}

//! An upstream that a test speaks for, byte by byte, and a client.

use std::time::Duration;

use gateway::{Endpoint, Gateway, Upstream, UpstreamCredential};
use reqwest::Client;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const REAL_KEY: &str = "the-real-key";

/// Fails a test that would wait for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("an end in time")
}

/// An upstream.
pub(crate) struct RawUpstream(TcpListener);

impl RawUpstream {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("an address"))
    }

    pub(crate) fn gateway(&self) -> Gateway {
        gateway(&self.base_url())
    }

    /// Takes a connection and reads the head of its first request.
    pub(crate) async fn request(&self) -> Exchange {
        let (stream, _) = soon(self.0.accept()).await.expect("a connection");
        let mut exchange = Exchange { stream, head: String::new(), body: Vec::new() };
        exchange.read_head().await;
        exchange
    }
}

pub(crate) fn gateway(base_url: &str) -> Gateway {
    let credential = UpstreamCredential::ApiKey(REAL_KEY.into());
    let upstream = Upstream { base_url: base_url.into(), credential, most_connections: 512 };
    Gateway::start(upstream, std::sync::Arc::default()).expect("a gateway")
}

/// A request at the upstream, and its answer.
pub(crate) struct Exchange {
    stream: TcpStream,
    /// With the empty line at its end.
    pub(crate) head: String,
    /// What has come of the body.
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    async fn read_head(&mut self) {
        let mut bytes = Vec::new();
        let end = loop {
            assert!(soon(self.stream.read_buf(&mut bytes)).await.expect("bytes") > 0, "no request");
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        self.body = bytes.split_off(end);
        self.head = String::from_utf8(bytes).expect("text");
    }

    /// The request line.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().expect("a line")
    }

    /// The headers, sorted.
    pub(crate) fn headers(&self) -> Vec<&str> {
        let mut headers: Vec<_> = self.head.lines().skip(1).filter(|line| !line.is_empty()).collect();
        headers.sort_unstable();
        headers
    }

    /// Reads until the body is this long.
    pub(crate) async fn read_body(&mut self, length: usize) {
        while self.body.len() < length {
            assert!(
                soon(self.stream.read_buf(&mut self.body)).await.expect("bytes") > 0,
                "the body is short"
            );
        }
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.expect("written");
    }

    /// Answers, and closes the connection.
    pub(crate) async fn answer(mut self, status: &str, headers: &str) {
        self.send(&format!("HTTP/1.1 {status}\r\n{headers}content-length: 2\r\nconnection: close\r\n\r\nok"))
            .await;
    }

    /// Waits until the other side closes the connection.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        soon(self.stream.read_to_end(&mut rest)).await.ok();
    }
}

pub(crate) fn client() -> Client {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([])
        .build()
        .expect("a client")
}

/// A request with the endpoint's key.
pub(crate) fn post(endpoint: &Endpoint, path: &str) -> reqwest::RequestBuilder {
    let url = format!("{}{path}", endpoint.base_url());
    client().post(url).header("x-api-key", endpoint.api_key().expose_secret())
}

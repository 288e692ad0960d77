//! Serves one connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use http_api::{Link, LocalAddress};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::activity::{Activity, Answer};

/// How long the first request's head may take, from the connection on.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request. Longer than proxies wait (60 s, mostly): who closes must not be the
/// one that is about to be sent a request.
const IDLE_WITHIN: Duration = Duration::from_secs(75);
/// How long a client gets to hear that its connection ends.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);
/// The same when the server stops.
const STOP_WITHIN: Duration = Duration::from_millis(500);
/// All of a request's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// Requests of one HTTP/2 connection at the same time.
const MAX_STREAMS: u32 = 128;
/// HTTP/2: how often is asked whether the client is there, and how long for the answer is waited.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// HTTP/1.1 and HTTP/2, whichever a client begins with.
pub(super) fn protocols() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    // It would close idle connections after that time too: `Activity` looks after both.
    http.http1().header_read_timeout(None).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32);
    http
}

/// What a connection's requests are told about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) link: Link,
    /// Nobody has an address behind a Unix socket.
    pub(super) peer: Option<SocketAddr>,
    /// Where it ends here.
    pub(super) local: Option<SocketAddr>,
}

/// Serves requests until the client leaves, is idle for too long, or `closed`.
pub(super) async fn serve<S>(
    http: &Builder<TokioExecutor>,
    stream: S,
    app: Router,
    origin: Origin,
    closed: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let idle = activity.idle(HEAD_WITHIN, IDLE_WITHIN);
    let requests = Requests { app, origin, activity: activity.clone() };
    let mut connection = pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), requests));
    let goodbye = tokio::select! {
        ended = connection.as_mut() => return tell(ended),
        was_used = idle => {
            tracing::debug!(peer = ?origin.peer, was_used, "a connection is closed: nothing was asked for too long");
            if was_used { GOODBYE_WITHIN } else { return }
        }
        () = closed.cancelled() => STOP_WITHIN,
    };
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = connection => tell(ended),
        _ = activity.idle(goodbye, goodbye) => {}
    }
}

/// Clients leave in many ways, and none of them is the server's fault.
fn tell<E: std::fmt::Display>(ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// The API, for one connection.
struct Requests {
    app: Router,
    origin: Origin,
    activity: Activity,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let at_work = self.activity.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.origin.link);
        if let Some(peer) = self.origin.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        if let Some(local) = self.origin.local {
            request.extensions_mut().insert(LocalAddress(local));
        }
        let answer = self.app.clone().oneshot(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Answer { body, _at_work: at_work })) })
    }
}

//! Takes up connections.

use std::io::{Error, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::join_all;
use http_api::Link;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto::Builder;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Origin};
use super::connections::{Connections, Permit};
use super::held::Held;
use super::listeners::{Accepted, Listener};
use super::tls::Tls;

const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// When the system gives no connection, for want of files or memory: until it is asked again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(250);
/// What a client hears whose connection is one too many.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 161\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"at_capacity\",\
    \"detail\":\"there are too many connections: try again later\",\"request_id\":\"\"}";

/// Everything that connections share.
pub(crate) struct Server {
    app: Router,
    /// For TCP; who connects to a Unix socket is on this machine.
    tls: Option<Arc<Tls>>,
    connections: Arc<Connections>,
    http: Builder<TokioExecutor>,
    closed: CancellationToken,
    open: TaskTracker,
}

impl Server {
    /// Serves `app` until `closed`.
    pub(crate) fn new(
        app: Router,
        tls: Option<Arc<Tls>>,
        connections: Arc<Connections>,
        closed: CancellationToken,
    ) -> Arc<Self> {
        let (http, open) = (connection::protocols(), TaskTracker::new());
        Arc::new(Self { app, tls, connections, http, closed, open })
    }

    /// Takes up connections until it is closed, and then waits for those that are open.
    pub(crate) async fn run(self: Arc<Self>, listeners: Vec<Listener>) {
        join_all(listeners.into_iter().map(|listener| self.listen(listener))).await;
        self.open.close();
        self.open.wait().await;
    }

    /// However the system fails, this goes on: what is open is served meanwhile, and ends at some time.
    async fn listen(self: &Arc<Self>, listener: Listener) {
        let mut fails = false;
        while let Some(accepted) = self.closed.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok(accepted) => {
                    fails = false;
                    self.take(accepted);
                }
                Err(error) if is_of_client(&error) => {
                    tracing::debug!(%error, "a client left before it was let in")
                }
                Err(error) => {
                    if !fails {
                        tracing::error!(%error, "connections cannot be taken up: is the limit of open files too low?");
                    }
                    fails = true;
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, accepted: Accepted) {
        let peer = accepted.peer();
        let permit = match self.connections.admit(peer.map(|peer| peer.ip())) {
            Ok(permit) => permit,
            Err(full) => {
                tracing::debug!(?peer, ?full, "a connection is refused: there are too many");
                if let Accepted::Tcp(stream, _) = accepted
                    && self.tls.is_none()
                {
                    refuse(stream);
                }
                return;
            }
        };
        let server = Arc::clone(self);
        self.open.spawn(async move {
            match accepted {
                Accepted::Unix(stream) => {
                    server.serve(stream, Origin { link: Link::UnixSocket, peer, local: None }, permit).await
                }
                Accepted::Tcp(stream, _) => {
                    prepare(&stream);
                    let origin = Origin { link: Link::Plain, peer, local: stream.local_addr().ok() };
                    match &server.tls {
                        None => server.serve(stream, origin, permit).await,
                        Some(tls) => server.serve_encrypted(tls, stream, origin, permit).await,
                    }
                }
            }
        });
    }

    async fn serve_encrypted(&self, tls: &Tls, stream: TcpStream, origin: Origin, permit: Permit) {
        let peer = origin.peer;
        let handshake = timeout(HANDSHAKE_WITHIN, tls.acceptor().accept(stream));
        match self.closed.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => {
                self.serve(stream, Origin { link: Link::Encrypted, ..origin }, permit).await;
            }
            Some(Ok(Err(error))) => tracing::debug!(%error, ?peer, "a TLS handshake failed"),
            Some(Err(_)) => tracing::debug!(?peer, "a TLS handshake took too long"),
            None => {}
        }
    }

    async fn serve<S>(&self, stream: S, origin: Origin, permit: Permit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let held = Held { stream, _permit: permit };
        // Most of a connection's state is needed only while it is served.
        Box::pin(connection::serve(&self.http, held, self.app.clone(), origin, &self.closed)).await;
    }
}

fn is_of_client(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

fn prepare(stream: &TcpStream) {
    // Small events must not wait for each other, and nothing else tells that the other machine is gone while we have nothing
    // to send.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_EVERY);
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!(%error, "a connection goes without TCP_NODELAY or keepalive");
    }
}

/// Says why, if that can be said at once.
fn refuse(stream: TcpStream) {
    let refused = stream.into_std().and_then(|mut stream| {
        // What was sent and not read would reset the connection before the client has read the answer. There may be nothing.
        let read = stream.read(&mut [0; 4096]).map_or(0, |read| read);
        tracing::trace!(read, "a connection is told that it is one too many");
        stream.write_all(FULL)
    });
    if let Err(error) = refused {
        tracing::trace!(%error, "a refusal was not sent");
    }
}

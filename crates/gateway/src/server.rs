//! Accepts the agents' connections.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::forward::Forwarder;

/// How long a connection may send no request: who only holds one keeps others out.
const SILENT_FOR: Duration = Duration::from_secs(75);
/// The pause after an accept that failed, which happens when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is stopped; no connection outlives it, and there are never more than `most`: what an agent runs can connect as
/// well, and must not use up the descriptors that the whole server has.
pub(crate) async fn serve(
    listener: TcpListener,
    most: usize,
    forwarder: Arc<Forwarder>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(most));
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = stop.cancelled() => break,
            (place, accepted) = accept => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, Arc::clone(&forwarder));
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the gateway cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    connections.shutdown().await;
}

/// Serves one connection. It ends with its agent, and with a request that could not be passed on.
async fn connection(stream: TcpStream, forwarder: Arc<Forwarder>) {
    // Without this the kernel would hold back small pieces of an answer.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off delayed sending");
    }
    let service = service_fn(|request| forwarder.answer(request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(SILENT_FOR);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an agent's connection to the gateway ended early");
    }
}

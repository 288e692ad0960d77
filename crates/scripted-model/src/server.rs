//! The API on a loopback port.

mod connections;
mod error;
mod exchange;
mod models;
mod record;
mod respond;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::answer::Mind;
use crate::scenario::{Rules, Scenario};

pub use record::RecordedRequest;
use record::Recorder;

/// How to start a [`ScriptedModel`].
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Scripts chosen by rules; without one, prompts are their own scripts.
    pub scenario: Option<Scenario>,
}

/// Why a [`ScriptedModel`] cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be bound; another program may use it.
    #[error("cannot listen on 127.0.0.1:{port}: {source}; choose another port, or 0 for any free one")]
    Bind {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running Messages API. It serves until it is shut down or dropped; both close its connections.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    recorder: Arc<Recorder>,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

/// What every exchange can reach.
#[derive(Debug)]
struct Shared {
    mind: Mind,
    recorder: Arc<Recorder>,
}

impl ScriptedModel {
    /// Binds 127.0.0.1 and serves. Needs a tokio runtime with IO and time.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let bind_error = |source| StartError::Bind { port: options.port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let recorder = Arc::new(Recorder::default());
        let mind = Mind::new(options.scenario.map(Rules::new));
        let shared = Arc::new(Shared { mind, recorder: Arc::clone(&recorder) });
        let stop = CancellationToken::new();
        let server = tokio::spawn(connections::serve(listener, exchange::router(shared), stop.clone()));
        Ok(Self { address, recorder, stop, server: Some(server) })
    }

    /// The address to give as `ANTHROPIC_BASE_URL`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The last 4096 requests, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.recorder.all()
    }

    /// Waits for a request, past or future, that satisfies the predicate. A request is looked at when its body has arrived,
    /// and again when its status is known.
    pub async fn wait_for_request(&self, predicate: impl Fn(&RecordedRequest) -> bool) -> RecordedRequest {
        self.recorder.wait_for(predicate).await
    }

    /// Stops serving, closes all connections and waits until that is done.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take()
            && let Err(error) = server.await
        {
            tracing::error!(%error, "the scripted model's server task failed");
        }
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

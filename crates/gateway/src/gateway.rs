//! The proxy as its owner sees it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use domain::{Clock, SystemClock};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use telemetry::Metrics;
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::endpoint::{Endpoint, Registry};
use crate::forward::Forwarder;
use crate::headers::API_KEY;
use crate::server::serve;

/// The model API and who pays for it.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its address, such as `https://api.anthropic.com`; may have a path.
    pub base_url: String,
    /// The real credential.
    pub credential: UpstreamCredential,
    /// Most connections of agents at once; more wait to be accepted.
    pub most_connections: usize,
}

/// How the proxy proves to the model API who pays.
#[derive(Debug, Clone)]
pub enum UpstreamCredential {
    /// An API key, sent as `x-api-key`.
    ApiKey(SecretString),
    /// A bearer token, sent as `Authorization`.
    AuthToken(SecretString),
}

impl UpstreamCredential {
    fn header(&self) -> Result<(HeaderName, HeaderValue), StartError> {
        let (name, value) = match self {
            Self::ApiKey(key) => (API_KEY, HeaderValue::from_str(key.expose_secret())),
            Self::AuthToken(token) => {
                (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())))
            }
        };
        let mut value = value.map_err(|_| StartError::Credential)?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

/// Why a [`Gateway`] cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The model API's address is none.
    #[error("the model API's address {0:?} is not an http or https URL: correct it")]
    BaseUrl(String),
    /// The credential cannot be sent.
    #[error("the model API's credential holds a character that no HTTP header may hold: correct it")]
    Credential,
    /// There is no client to reach the model API with.
    #[error("no client for the model API could be made: {0}; are the system's certificates installed?")]
    Client(#[source] reqwest::Error),
    /// There is no port to listen on.
    #[error("the gateway cannot listen on 127.0.0.1: {0}; check the limit of open files")]
    Listen(#[source] std::io::Error),
    /// There is nobody to do the work.
    #[error("the gateway was started outside of a tokio runtime: start it from a task")]
    NoRuntime,
}

/// A running proxy. Dropping it closes all its connections; [`Gateway::shutdown`] waits for that.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    endpoints: Registry,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Gateway {
    /// Listens on a free port of 127.0.0.1. Has to be called from a task of a tokio runtime.
    ///
    /// # Errors
    /// When the upstream cannot be used, or there is no port.
    pub fn start(upstream: Upstream, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        Self::start_with_clock(upstream, metrics, Arc::new(SystemClock))
    }

    /// As [`Self::start`], with a clock that tells when a number of seconds from now is.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with_clock(
        upstream: Upstream,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let base_url = base_url(upstream.base_url)?;
        let endpoints = Registry::default();
        let forwarder = Forwarder {
            client: client(&base_url).map_err(StartError::Client)?,
            base_url,
            credential: upstream.credential.header()?,
            endpoints: endpoints.clone(),
            clock,
            metrics,
        };
        let (listener, address) = listen().map_err(StartError::Listen)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let serve = serve(listener, upstream.most_connections, Arc::new(forwarder), stop.clone());
        tasks.spawn_on(serve, &runtime);
        tasks.close();
        Ok(Self { address, endpoints, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// A way to the model API for one agent.
    pub fn open(&self) -> Endpoint {
        self.endpoints.open(self.address)
    }

    /// Closes all connections, and waits until they are closed.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// The address without a slash at its end.
fn base_url(text: String) -> Result<String, StartError> {
    match Url::parse(&text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(url.as_str().trim_end_matches('/').to_owned())
        }
        _ => Err(StartError::BaseUrl(text)),
    }
}

/// Straight to the API: what the agent would do without the proxy. A redirect is the agent's to follow.
fn client(base_url: &str) -> reqwest::Result<Client> {
    let builder = Client::builder().no_proxy().redirect(redirect::Policy::none());
    // The system's certificates take a while to read, and may be missing where none is needed.
    let builder = if base_url.starts_with("https:") { builder } else { builder.tls_certs_only([]) };
    builder.build()
}

fn listen() -> std::io::Result<(tokio::net::TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((tokio::net::TcpListener::from_std(listener)?, address))
}

//! The metrics' own port.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use http_api::{AppState, Loopback, TrustedProxies};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Monitoring};
use crate::transport::{ConnectionLimits, Connections, Listener, Server};

/// Scrapers are few.
const LIMITS: ConnectionLimits = ConnectionLimits { all: 64, per_address: 64, loopback: Loopback::Spared };

/// A port that serves metrics.
pub(super) struct MetricsPort {
    listener: TcpListener,
    address: SocketAddr,
}

impl MetricsPort {
    /// The port that the configuration asks for, if it does. One that nobody asked for by number, and that somebody else has,
    /// is done without.
    pub(super) async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let Monitoring { port, is_wanted } = match config.monitoring {
            Some(monitoring) => monitoring,
            None => return Ok(None),
        };
        let address = SocketAddr::new(config.host, port);
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            Ok::<_, std::io::Error>(Self { address: listener.local_addr()?, listener })
        };
        match bound.await {
            Ok(bound) => Ok(Some(bound)),
            Err(error) if is_wanted => Err(error).with_context(|| {
                format!(
                    "MONITORING_PROMETHEUS_PORT={port}: {address} cannot be listened on: choose another port, or set \
                     MONITORING_PROMETHEUS_ENABLED=false"
                )
            }),
            Err(error) => {
                tracing::warn!(
                    %error, %address,
                    "metrics are not served: set MONITORING_PROMETHEUS_PORT to a free port, or MONITORING_PROMETHEUS_ENABLED=false"
                );
                Ok(None)
            }
        }
    }

    /// Serves them until `closed`.
    pub(super) fn serve(self, state: Arc<AppState>, closed: CancellationToken) -> JoinHandle<()> {
        tracing::info!(url = %format!("http://{}/metrics", self.address), "metrics are served");
        let connections = Connections::new(LIMITS, TrustedProxies::default());
        let server = Server::new(http_api::metrics_router(state), None, connections, closed);
        tokio::spawn(server.run(vec![Listener::Tcp(self.listener)]))
    }
}

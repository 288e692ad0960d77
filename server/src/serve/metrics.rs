//! The metrics' own port.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use http_api::AppState;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Monitoring};

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
        let server = axum::serve(self.listener, http_api::metrics_router(state));
        tokio::spawn(async move {
            let ended = closed.run_until_cancelled(server.into_future()).await;
            if let Some(ended) = ended {
                tracing::error!(?ended, "metrics are no longer served");
            }
        })
    }
}

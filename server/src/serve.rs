//! `serve`: start, serve, drain, stop.

mod itself;
mod metrics;
mod model;
mod parts;
mod signals;
mod storage;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::serve::ListenerExt;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::metrics::MetricsPort;
use self::parts::Parts;
pub(crate) use self::parts::locate_cli;
use self::signals::Signals;
pub(crate) use self::storage::DATABASE;
use crate::cli::ServeArguments;
use crate::config::{Config, Storage};
use crate::logging;

/// The start failed, or something without which nothing can be served.
const EXIT_FAILED: u8 = 2;
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// After the last event, streams get this long to be closed in order.
const STREAMS_WITHIN: Duration = Duration::from_secs(4);
/// Then requests under way get this long.
const REQUESTS_WITHIN: Duration = Duration::from_secs(2);

type Listening = tokio::task::JoinHandle<std::io::Result<()>>;

/// Serves until a signal; gives the exit code.
pub(crate) fn main(arguments: &ServeArguments) -> ExitCode {
    let config = match Config::load(arguments) {
        Ok(config) => config,
        Err(faults) => return refuse_start(&faults),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(config.workers).enable_all().build();
    let result = runtime.context("the runtime could not be started").and_then(|runtime| {
        let result = runtime.block_on(serve(&config));
        // Everything was told to end and has; what has not must not keep the process.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse_start(&[format!("{error:#}")]),
    }
}

/// Says on stderr why there is no server, a line each.
fn refuse_start(faults: &[String]) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    for fault in faults {
        // A stderr that is gone has nobody to tell.
        drop(writeln!(stderr, "claude-code-server: {fault}"));
    }
    ExitCode::from(EXIT_FAILED)
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "SERVER_PORT={}: {address} cannot be listened on: choose another port or stop what uses it",
            config.port
        )
    })?;
    let address = listener.local_addr().context("the listening address is unknown")?;
    let mut signals = Signals::new().context("signals cannot be received")?;
    let orphans = process::adopt_orphans().context("orphaned processes cannot be adopted")?;
    logging::start(&config.log_level, config.log_format);
    itself::prepare();
    let metrics = MetricsPort::bind(config).await?;
    let parts = Parts::assemble(config, address).await?;
    let closed = CancellationToken::new();
    let metrics = metrics.map(|metrics| metrics.serve(Arc::clone(&parts.state), closed.clone()));
    announce(config, &parts, address);

    let app = http_api::router(Arc::clone(&parts.state));
    // Small events must not wait for each other.
    let listener = listener.tap_io(|stream| {
        // Nothing else tells that the other machine is gone while we have nothing to send.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_EVERY);
        let set =
            stream.set_nodelay(true).and_then(|()| SockRef::from(&*stream).set_tcp_keepalive(&keepalive));
        if let Err(error) = set {
            tracing::debug!(%error, "a connection goes without TCP_NODELAY or keepalive");
        }
    });
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(closed.clone().cancelled_owned());
    let mut server = tokio::spawn(async move { server.await });

    let failure = until_told(&mut signals, &mut server, &parts).await;
    let listens = !server.is_finished();
    let hurry = CancellationToken::new();
    let hurrying = hurry.clone();
    let second = tokio::spawn(async move {
        signals.next().await;
        hurrying.cancel();
    });
    let cgroups = parts.cgroups.clone();
    stop(parts, hurry).await;
    closed.cancel();
    if listens {
        end_requests(server).await;
    }
    if let Some(Err(error)) = futures_util::future::OptionFuture::from(metrics).await {
        tracing::error!(%error, "the metrics' task failed");
    }
    second.abort();
    match orphans.end().await {
        Ok(report) if report.processes_left > 0 => {
            tracing::error!(processes_left = report.processes_left, "processes are left behind");
        }
        Ok(report) => tracing::debug!(processes_killed = report.processes_killed, "no process is left"),
        Err(error) => tracing::error!(%error, "orphaned processes could not be looked for"),
    }
    if let Some(cgroups) = cgroups {
        cgroups.retire();
    }
    tracing::info!("stopped");
    failure.map_or(Ok(()), Err)
}

/// Waits until the server has to stop; gives why, if nobody asked for it.
async fn until_told(signals: &mut Signals, server: &mut Listening, parts: &Parts) -> Option<anyhow::Error> {
    let failure = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "shutting down");
            return None;
        }
        ended = server => anyhow::anyhow!("the listener ended by itself: {ended:?}"),
        () = parts.storage.ended() => {
            anyhow::anyhow!("the storage's thread has failed, the lines above say why: start the server again")
        }
    };
    tracing::error!("shutting down: {failure:#}");
    Some(failure)
}

fn announce(config: &Config, parts: &Parts, address: SocketAddr) {
    tracing::info!(
        url = %format!("http://{address}"),
        version = env!("CARGO_PKG_VERSION"),
        cli.version = %parts.cli.version,
        cli.path = %parts.cli.program.display(),
        "listening"
    );
    if parts.scripted.is_some() {
        tracing::warn!("demo mode: answers come from a script, not from a model");
    }
    if config.storage == Storage::Memory {
        tracing::warn!("tasks are kept in memory: they are gone when the server stops");
    }
    for warning in &config.warnings {
        tracing::warn!("configuration: {warning}");
    }
}

/// Ends the agents first, so that streams can carry their last events, and then the streams.
async fn stop(parts: Parts, hurry: CancellationToken) {
    let Parts { engine, state, storage, scripted, gateway, .. } = parts;
    engine.shut_down(hurry).await;
    state.closing.cancel();
    state.streams.close();
    if timeout(STREAMS_WITHIN, state.streams.wait()).await.is_err() {
        tracing::warn!(streams = state.streams.len(), "streams were cut: their clients did not read on");
    }
    storage.close().await;
    if let Some(gateway) = gateway {
        gateway.shutdown().await;
    }
    if let Some(scripted) = scripted {
        scripted.shutdown().await;
    }
}

async fn end_requests(server: Listening) {
    match timeout(REQUESTS_WITHIN, server).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::error!(%error, "the listener failed"),
        Ok(Err(error)) => tracing::error!(%error, "the listener's task failed"),
        Err(_) => tracing::warn!("requests were cut: they took too long"),
    }
}

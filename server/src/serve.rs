//! `serve`: start, serve, drain, stop.

mod itself;
mod memory;
mod metrics;
mod model;
mod parts;
mod signals;
mod storage;
mod supervisor;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use telemetry::{Exporting, Traces};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::metrics::MetricsPort;
pub(crate) use self::parts::locate_cli;
use self::parts::{Exposure, Parts};
use self::signals::{Hangup, Signals, Told};
pub(crate) use self::storage::{DATABASE, LOCK};
use crate::cli::ServeArguments;
use crate::config::Config;
use crate::logging;
use crate::transport::{Connections, Inherited, Listeners, Server, Tls};

/// The start failed, or something without which nothing can be served.
const EXIT_FAILED: u8 = 2;
/// A thread for what blocks ends after this long without work, and gives its memory back.
const BLOCKING_THREADS_KEPT: Duration = Duration::from_secs(1);
/// After the last event, streams get this long to be closed in order.
const STREAMS_WITHIN: Duration = Duration::from_secs(4);
/// Then requests under way get this long.
const REQUESTS_WITHIN: Duration = Duration::from_secs(2);

/// Serves until a signal; gives the exit code.
pub(crate) fn main(arguments: &ServeArguments) -> ExitCode {
    let config = match Config::load(arguments) {
        Ok(config) => config,
        Err(faults) => return refuse_start(&faults),
    };
    // While there is one thread.
    let inherited = Inherited::take();
    let exporting = match config.traces.then(|| Exporting::start(env!("CARGO_PKG_VERSION"))).transpose() {
        Ok(exporting) => exporting,
        Err(fault) => return refuse_start(&[format!("traces cannot be exported: {fault}")]),
    };
    let traces = exporting.as_ref().map(Exporting::traces).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .thread_keep_alive(BLOCKING_THREADS_KEPT)
        .enable_all()
        .build();
    let result = runtime.context("the runtime could not be started").and_then(|runtime| {
        let result = runtime.block_on(serve(&config, inherited, traces));
        // Everything was told to end and has; what has not must not keep the process.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    });
    // The last spans are those of the stop itself.
    exporting.into_iter().for_each(Exporting::end);
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

async fn serve(config: &Config, inherited: Inherited, traces: Traces) -> anyhow::Result<()> {
    let listeners = Listeners::open(config, inherited).await?;
    let tls = config.transport.tls.clone().map(Tls::open).transpose().context("SERVER_TLS_CERT_FILE")?;
    let tls = tls.map(Arc::new);
    let mut signals = Signals::new(hangup(config)).context("signals cannot be received")?;
    let orphans = process::adopt_orphans().context("orphaned processes cannot be adopted")?;
    logging::start(&config.log_level, config.log_format);
    itself::prepare();
    let metrics = MetricsPort::bind(config).await?;
    let exposure = listeners.exposed().map_or(Exposure::Machine, |_| Exposure::Network);
    let parts = Parts::assemble(config, exposure, traces).await?;
    let closed = CancellationToken::new();
    let metrics = metrics.map(|metrics| metrics.serve(Arc::clone(&parts.state), closed.clone()));
    announce(config, &parts, &listeners);
    let mut server = start(config, &parts, listeners, tls.clone(), &closed);
    supervisor::ready();

    let failure = until_told(&mut signals, &mut server, &parts, tls.as_deref()).await;
    supervisor::stopping();
    let listens = !server.is_finished();
    let hurry = CancellationToken::new();
    let hurrying = hurry.clone();
    let second = tokio::spawn(async move {
        signals.end().await;
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

/// A terminal that is closed sends SIGHUP, and so does who wants files to be read again. Where there are such files, or
/// somebody who starts and stops servers, it is the latter.
fn hangup(config: &Config) -> Hangup {
    if config.transport.tls.is_some() || supervisor::listens() { Hangup::Reloads } else { Hangup::Ends }
}

/// Serves on all listeners until `closed`.
fn start(
    config: &Config,
    parts: &Parts,
    listeners: Listeners,
    tls: Option<Arc<Tls>>,
    closed: &CancellationToken,
) -> JoinHandle<()> {
    if let Some(tls) = &tls {
        tokio::spawn(Arc::clone(tls).keep_fresh(closed.clone()));
    }
    tokio::spawn(supervisor::keep_alive(closed.clone()));
    tokio::spawn(memory::give_back(closed.clone()));
    let (state, until) = (Arc::clone(&parts.state), closed.clone());
    tokio::spawn(async move { until.run_until_cancelled(http_api::share_revocations(state)).await });
    let limits = config.transport.limits.within_open_files();
    let connections = Connections::new(limits, config.transport.proxies.clone());
    let app = http_api::router(Arc::clone(&parts.state));
    tokio::spawn(Server::new(app, tls, connections, closed.clone()).run(listeners.0))
}

/// Waits until the server has to stop; gives why, if nobody asked for it.
async fn until_told(
    signals: &mut Signals,
    server: &mut JoinHandle<()>,
    parts: &Parts,
    tls: Option<&Tls>,
) -> Option<anyhow::Error> {
    let failure = loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::End(signal) => {
                    tracing::info!(signal, "shutting down");
                    return None;
                }
                Told::Reload => supervisor::reloading(|| tls.into_iter().for_each(Tls::reload)),
            },
            ended = &mut *server => break anyhow::anyhow!("the listener ended by itself: {ended:?}"),
            () = parts.engine.failed() => {
                break anyhow::anyhow!("a part of the engine has panicked, the lines above say where: start the server again")
            }
            () = parts.storage.ended() => {
                break anyhow::anyhow!("the storage's thread has failed, the lines above say why: start the server again")
            }
        }
    };
    tracing::error!("shutting down: {failure:#}");
    Some(failure)
}

fn announce(config: &Config, parts: &Parts, listeners: &Listeners) {
    for url in listeners.0.iter().filter_map(|listener| listener.url(config.transport.tls.is_some()).ok()) {
        tracing::info!(
            url,
            version = env!("CARGO_PKG_VERSION"),
            cli.version = %parts.cli.version,
            cli.path = %parts.cli.program.display(),
            "listening"
        );
    }
    if parts.scripted.is_some() {
        tracing::warn!("demo mode: answers come from a script, not from a model");
    }
    if config.storage.forgets() {
        tracing::warn!("tasks are kept in memory: they are gone when the server stops");
    }
    for warning in &parts.storage.warnings {
        tracing::warn!("storage: {warning}");
    }
    for warning in &config.warnings {
        tracing::warn!("configuration: {warning}");
    }
}

/// Ends the agents first, so that streams can carry their last events, and then the streams.
async fn stop(parts: Parts, hurry: CancellationToken) {
    let Parts { engine, state, storage, scripted, gateway, warden, .. } = parts;
    engine.shut_down(hurry).await;
    state.closing.cancel();
    state.streams.close();
    if timeout(STREAMS_WITHIN, state.streams.wait()).await.is_err() {
        tracing::warn!(streams = state.streams.len(), "streams were cut: their clients did not read on");
    }
    warden.end().await;
    storage.close().await;
    if let Some(gateway) = gateway {
        gateway.shutdown().await;
    }
    if let Some(scripted) = scripted {
        scripted.shutdown().await;
    }
}

async fn end_requests(server: JoinHandle<()>) {
    match timeout(REQUESTS_WITHIN, server).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the listener's task failed"),
        Err(_) => tracing::warn!("requests were cut: they took too long"),
    }
}

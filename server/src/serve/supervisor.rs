//! What systemd is told, if that is who started the server (sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// Whether somebody wants to be told.
pub(super) fn listens() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "who started the server cannot be told how it is (NOTIFY_SOCKET)");
    }
}

pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Reloads, and says when that begins and ends.
pub(super) fn reloading(reload: impl FnOnce()) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "there is no clock to tell the time of a reload by"),
    }
    reload();
    ready();
}

/// Says twice in the time that is asked for that the server lives, until `closed`.
pub(super) async fn keep_alive(closed: CancellationToken) {
    let mut within = 0;
    if !sd_notify::watchdog_enabled(false, &mut within) || within == 0 {
        return;
    }
    let mut ticks = interval(Duration::from_micros(within) / 2);
    while closed.run_until_cancelled(ticks.tick()).await.is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

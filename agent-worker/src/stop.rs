//! Ctrl-C and SIGTERM: the first stops the runs in order, the second leaves.

use anyhow::Context;
use client::readable::{Line, Tone};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::screen::Screen;

/// The two signals, from now on messages.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let take = |kind| signal(kind).context("Ctrl-C cannot be received");
        Ok(Self { interrupt: take(SignalKind::interrupt())?, terminate: take(SignalKind::terminate())? })
    }

    /// Stops the runs when the first comes; returns when the second does.
    pub(crate) async fn obey(mut self, stop: &CancellationToken, screen: &Screen) {
        self.next().await;
        screen.line(&Line::new("note", Tone::Note, "interrupting; Ctrl-C again leaves at once"));
        stop.cancel();
        self.next().await;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

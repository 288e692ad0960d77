//! Ctrl-C, SIGTERM and a terminal that closes: the first stops the runs in order, the second leaves.

use std::future::pending;

use anyhow::Context;
use client::readable::{Line, Tone};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::screen::Screen;

/// The signals, from now on messages.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where it is ignored, as `nohup` wants it.
    hangup: Option<Signal>,
}

impl Signals {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let take = |kind| signal(kind).context("Ctrl-C cannot be received");
        let hangup = SignalKind::hangup();
        let is_ignored = client::is_ignored(hangup.as_raw_value());
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hangup: if is_ignored { None } else { Some(take(hangup)?) },
        })
    }

    /// Stops the runs when the first comes; returns when the second does.
    pub(crate) async fn obey(mut self, stop: &CancellationToken, screen: &Screen) {
        self.next().await;
        screen.line(&Line::new("note", Tone::Note, "interrupting; Ctrl-C again leaves at once"));
        stop.cancel();
        // A terminal that closes may say so more than once.
        self.hangup = None;
        self.next().await;
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

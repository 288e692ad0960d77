//! The signals that end the server in order: Ctrl-C, SIGTERM, a closed terminal, SIGQUIT; and the one that lets it read its
//! files again.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What SIGHUP is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hangup {
    /// The terminal was closed.
    Ends,
    /// Files have changed.
    Reloads,
}

/// What the server is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// To end, by the signal of that name.
    End(&'static str),
    /// To read its files again.
    Reload,
}

pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    quit: Signal,
    meaning: Hangup,
}

impl Signals {
    pub(super) fn new(meaning: Hangup) -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            meaning,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::End("SIGINT"),
            _ = self.terminate.recv() => Told::End("SIGTERM"),
            _ = self.quit.recv() => Told::End("SIGQUIT"),
            _ = self.hangup.recv() => match self.meaning {
                Hangup::Ends => Told::End("SIGHUP"),
                Hangup::Reloads => Told::Reload,
            },
        }
    }

    /// Waits for one that ends the server.
    pub(super) async fn end(&mut self) {
        while self.next().await == Told::Reload {}
    }
}

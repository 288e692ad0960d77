//! What makes a command leave before it is done.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why a command leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// SIGINT.
    CtrlC,
    /// SIGTERM.
    Terminated,
    /// SIGHUP: the terminal was closed.
    HungUp,
    /// Nobody reads stdout any more, for which there is SIGPIPE elsewhere.
    Unread,
}

impl Why {
    /// As a shell would say: 128, and the signal's number.
    pub(super) const fn exit_code(self) -> u8 {
        match self {
            Self::CtrlC => 130,
            Self::Terminated => 143,
            Self::HungUp => 129,
            Self::Unread => 141,
        }
    }

    /// What happened, where that is not known to whoever made it happen.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::CtrlC => "",
            Self::Terminated => "SIGTERM: ",
            Self::HungUp => "SIGHUP: ",
            Self::Unread => "nobody reads the output any more: ",
        }
    }
}

/// The signals that ask a command to leave, from now on messages.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where it is ignored, as `nohup` wants it.
    hangup: Option<Signal>,
}

impl Signals {
    /// Receives them.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        let hangup = SignalKind::hangup();
        let is_ignored = client::is_ignored(hangup.as_raw_value());
        let hangup = if is_ignored { None } else { Some(listen(hangup)?) };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup,
        })
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Why {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Why::CtrlC,
            _ = self.terminate.recv() => Why::Terminated,
            _ = hangup => Why::HungUp,
        }
    }
}

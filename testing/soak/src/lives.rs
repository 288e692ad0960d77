//! Which server is there now, as callers see it.

use std::time::Duration;

use tokio::sync::watch;

/// A request that takes longer has failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// One server's life.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// Counts from 1; 0 before the first one.
    pub(crate) number: u32,
    is_up: bool,
    /// Connections to it: a new server gets new ones.
    pub(crate) http: reqwest::Client,
}

/// All servers of a run, one after the other at the same address.
pub(crate) struct Lives {
    now: watch::Sender<Life>,
    address: String,
}

fn connections() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()
}

impl Lives {
    /// Before the first one, at `host:port`.
    pub(crate) fn at(address: String) -> anyhow::Result<Self> {
        let now = watch::Sender::new(Life { number: 0, is_up: false, http: connections()? });
        Ok(Self { now, address })
    }

    /// `host:port`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A server is ready.
    pub(crate) fn begin(&self) -> anyhow::Result<u32> {
        let http = connections()?;
        let number = self.now.borrow().number + 1;
        self.now.send_replace(Life { number, is_up: true, http });
        Ok(number)
    }

    /// It is about to be ended: from here on, requests may fail.
    pub(crate) fn end(&self) {
        self.now.send_modify(|life| life.is_up = false);
    }

    /// Waits until a server is there.
    pub(crate) async fn up(&self) -> Life {
        let mut changes = self.now.subscribe();
        loop {
            let life = changes.borrow_and_update().clone();
            if life.is_up {
                return life;
            }
            // The sender is in `self`.
            changes.changed().await.ok();
        }
    }

    /// Whether this life has gone on until now, so that nothing may have failed.
    pub(crate) fn goes_on(&self, number: u32) -> bool {
        let life = self.now.borrow();
        life.number == number && life.is_up
    }
}

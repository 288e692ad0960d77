//! The right to run what was handed out, where servers share a store. When it is lost, another server may carry on what ran
//! here: so the agents end first, and only then does this server take part again.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::LeaseToken;
use store::{LeaseState, Store};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::recovery::recover;
use crate::run::Deps;

/// After the storage failed to answer, how long to wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Waits until the lease is lost that the token was handed out under; for ever when nobody can take it away.
pub(crate) async fn lost(store: &dyn Store, token: LeaseToken) {
    until(store, |state| !state.covers(token)).await;
}

/// Whether the lease is lost that the token was handed out under.
pub(crate) fn is_lost(store: &dyn Store, token: LeaseToken) -> bool {
    store.lease_ends();
    store.lease().is_some_and(|lease| !lease.borrow().covers(token))
}

/// Whether this server has no lease, where it needs one.
pub(crate) fn has_none(store: &dyn Store) -> bool {
    store.lease().is_some_and(|lease| *lease.borrow() == LeaseState::Lost)
}

async fn until(store: &dyn Store, wanted: impl FnMut(LeaseState) -> bool) {
    let mut told = pin!(told(store, wanted));
    // Looked at whenever something happens to whoever waits: a server that stood still hears of its agents' end, which its warden has
    // brought about, before anything else has noticed that the time is over.
    poll_fn(|context| {
        store.lease_ends();
        told.as_mut().poll(context)
    })
    .await;
}

async fn told(store: &dyn Store, mut wanted: impl FnMut(LeaseState) -> bool) {
    let Some(mut lease) = store.lease() else { return std::future::pending().await };
    let is_told = lease.wait_for(|state| wanted(*state)).await.is_ok();
    if !is_told {
        // The store, which knows, is about to be dropped.
        std::future::pending::<()>().await;
    }
}

/// Takes part again after each loss of the lease, and takes over what other servers left. Never returns.
pub(crate) async fn keep_part(deps: Arc<Deps>) {
    let mut left_over = deps.store.watch_take_over();
    loop {
        tokio::select! {
            biased;
            () = until(&*deps.store, |state| state == LeaseState::Lost) => begin_anew(&deps).await,
            () = changed(left_over.as_mut()) => {}
        }
        // What was taken over has no worker until this is done.
        while let Err(error) = recover(&deps).await {
            tracing::error!(%error, "what another server left could not be taken over yet");
            sleep(RETRY_AFTER).await;
            if has_none(&*deps.store) {
                break;
            }
        }
    }
}

async fn changed(left_over: Option<&mut watch::Receiver<u64>>) {
    let is_told = match left_over {
        Some(left_over) => left_over.changed().await.is_ok(),
        None => false,
    };
    if !is_told {
        std::future::pending::<()>().await;
    }
}

async fn begin_anew(deps: &Deps) {
    tracing::error!(
        agents = deps.agents.alive(),
        "the storage was out of reach for too long: all agents are ended, other servers may carry their tasks on"
    );
    deps.agents.end_all().await;
    while let Err(error) = deps.store.rejoin().await {
        tracing::warn!(%error, "this server cannot take part again yet");
        sleep(RETRY_AFTER).await;
    }
    tracing::info!("this server takes part again");
}

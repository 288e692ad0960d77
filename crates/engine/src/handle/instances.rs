//! The servers that share the store.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use store::{Counted, InstanceRecord, LeaseState, StoreError};

use super::Handle;

impl Handle {
    /// The id of this server, if the store is shared.
    pub fn instance(&self) -> Option<String> {
        self.deps.store.instance()
    }

    /// All of them; none when the store is not shared.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        self.deps.store.instances().await
    }

    /// Says whether a server is to be handed nothing more. Tells whether there is such a one.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn set_draining(&self, instance: &str, draining: bool) -> Result<bool, StoreError> {
        self.deps.store.set_draining(instance, draining).await
    }

    /// Whether this server takes on nothing more: it is about to stop, or was told to drain.
    pub fn is_draining(&self) -> bool {
        self.stopping.is_cancelled() || self.deps.store.is_draining()
    }

    /// Whether other servers may work on the same store.
    pub fn is_shared(&self) -> bool {
        self.deps.store.lease().is_some()
    }

    /// Whether this server may run tasks: always, unless others share its store and it has lost its lease there.
    pub fn holds_lease(&self) -> bool {
        self.deps.store.lease().is_none_or(|lease| matches!(*lease.borrow(), LeaseState::Held { .. }))
    }

    /// Counts a request at all servers together; `None` when the store is not shared.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn count_request(
        &self,
        caller: &str,
        per_minute: NonZeroU32,
    ) -> Result<Option<Counted>, StoreError> {
        self.deps.store.count_request(caller, per_minute).await
    }

    /// Tells the other servers which keys were revoked here; gives those that were revoked at any.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn share_revoked(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        self.deps.store.share_revoked(keys).await
    }

    /// Keeps a note for a while, for all servers that share the store.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn keep_note(&self, name: &str, note: &[u8], lifetime: Duration) -> Result<(), StoreError> {
        self.deps.store.keep_note(name, note, lifetime).await
    }

    /// A note, if it is still there.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn note(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.deps.store.note(name).await
    }

    /// Takes a note away: one server gets it.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn take_note(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.deps.store.take_note(name).await
    }
}

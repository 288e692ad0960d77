//! The servers that share the store.

use std::time::Duration;

use bytes::Bytes;
use store::{InstanceRecord, StoreError};

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

    /// Whether other servers may work on the same store.
    pub fn is_shared(&self) -> bool {
        self.deps.store.lease().is_some()
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

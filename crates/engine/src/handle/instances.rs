//! The servers that share the store.

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
}

//! The connections that read. They see what was committed when a read begins, and hold nobody up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use store::StoreError;
use tokio::sync::Semaphore;

use crate::connection::{open_reader, release_memory};
use crate::fault::Fault;
use crate::inbox::closed;

/// Reads at the same time.
const READERS: usize = 4;

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Connections are opened when they are needed.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, places: Arc::new(Semaphore::new(READERS)), idle: Mutex::default() }
    }

    /// Reads within one transaction, on a thread that may block.
    pub(crate) async fn read<R: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let result = readers.with_connection(read);
            drop(place);
            result
        });
        let result = reading.await.map_err(|error| StoreError(format!("a read was cut off: {error}")))?;
        Ok(result?)
    }

    fn with_connection<R>(&self, read: impl FnOnce(&Connection) -> Result<R, Fault>) -> Result<R, Fault> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let transaction = connection.unchecked_transaction()?;
        let result = read(&connection);
        // One that cannot end its transaction is not used again.
        transaction.finish()?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.places.is_closed() {
            idle.push(connection);
        }
        result
    }

    /// Gives back the memory of those that nobody uses.
    pub(crate) fn release_memory(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(release_memory);
    }

    /// Lets nobody read any more.
    pub(crate) fn close(&self) {
        self.places.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

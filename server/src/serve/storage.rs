//! Opens the storage.

use std::path::Path;
use std::sync::Arc;

use store::{CoreSettings, KEPT_IN_MEMORY, MemoryStore, Store};
use store_sqlite::{SqliteOptions, SqliteStore, Sync};
use tokio::task::spawn_blocking;

use crate::config::{self, Config};

/// The database's name in the data folder.
pub(crate) const DATABASE: &str = "tasks.sqlite";

/// The open storage.
pub(super) struct Storage {
    pub(super) store: Arc<dyn Store>,
    /// The database that has to be closed at the end.
    sqlite: Option<Arc<SqliteStore>>,
}

impl Storage {
    /// Waits until nothing can be written any more. Only a restart helps then: what is stored is whole.
    pub(super) async fn ended(&self) {
        match &self.sqlite {
            Some(sqlite) => sqlite.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Writes down what is left to write, and lets go of the database.
    pub(super) async fn close(self) {
        let Some(sqlite) = self.sqlite else { return };
        if spawn_blocking(move || sqlite.close()).await.is_err() {
            tracing::error!("the database could not be closed in order");
        }
    }
}

/// The storage that the configuration asks for, below that folder.
pub(super) async fn open(config: &Config, data: &Path) -> anyhow::Result<Storage> {
    let settings = CoreSettings { notice: engine::status_notice, ..CoreSettings::default() };
    match config.storage {
        config::Storage::Memory => {
            let store = Arc::new(MemoryStore::new(settings, KEPT_IN_MEMORY));
            Ok(Storage { store, sqlite: None })
        }
        config::Storage::Sqlite(sync) => {
            let sync = match sync {
                config::Sync::Normal => Sync::Normal,
                config::Sync::Full => Sync::Full,
            };
            let options = SqliteOptions { path: data.join(DATABASE), sync, settings };
            let sqlite = Arc::new(spawn_blocking(move || SqliteStore::open(options)).await??);
            Ok(Storage { store: sqlite.clone(), sqlite: Some(sqlite) })
        }
    }
}

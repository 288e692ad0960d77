//! The suite that every backend passes.

use std::sync::Arc;

use store::CoreSettings;
use store::conformance::{self, Backend, FailurePoint};
use tempfile::TempDir;

use crate::{SqliteOptions, SqliteStore, Sync};

struct Sqlite {
    folder: TempDir,
    sync: Sync,
    store: Option<Arc<SqliteStore>>,
}

impl Sqlite {
    fn new(sync: Sync) -> Self {
        let mut backend = Self { folder: TempDir::new().expect("a folder"), sync, store: None };
        backend.open();
        backend
    }

    fn open(&mut self) {
        let path = self.folder.path().join("store.db");
        let options = SqliteOptions { path, sync: self.sync, settings: CoreSettings::default() };
        self.store = Some(Arc::new(SqliteStore::open(options).expect("opens")));
    }
}

impl Backend for Sqlite {
    type Store = SqliteStore;

    fn store(&self) -> Arc<SqliteStore> {
        Arc::clone(self.store.as_ref().expect("open"))
    }

    fn fail_next_commit(&self, point: FailurePoint) {
        *self.store().failure.lock().expect("not poisoned") = Some(point);
    }

    async fn reopen(&mut self) {
        self.store = None;
        self.open();
    }
}

#[tokio::test]
async fn passes_the_conformance_suite() {
    conformance::run(async || Sqlite::new(Sync::Normal)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_conformance_suite_when_commands_are_carried_out_where_they_are_asked_for() {
    conformance::run(async || Sqlite::new(Sync::Normal)).await;
}

#[tokio::test]
async fn passes_the_conformance_suite_when_every_commit_waits_for_the_disk() {
    conformance::run(async || Sqlite::new(Sync::Full)).await;
}

//! The suite that every backend passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::conformance::{self, Backend, FailurePoint};

use super::open_as;
use super::server::Server;
use crate::RedisStore;

struct Shared {
    server: Arc<Server>,
    prefix: String,
    store: Option<Arc<RedisStore>>,
}

impl Shared {
    async fn new(server: &Arc<Server>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("{{case-{}}}:", LAST.fetch_add(1, Ordering::Relaxed));
        let mut backend = Self { server: Arc::clone(server), prefix, store: None };
        backend.open().await;
        backend
    }

    async fn open(&mut self) {
        self.store = Some(Arc::new(open_as(&self.server, &self.prefix, "here").await));
    }
}

impl Backend for Shared {
    type Store = RedisStore;

    fn store(&self) -> Arc<RedisStore> {
        Arc::clone(self.store.as_ref().expect("open"))
    }

    fn fail_next_commit(&self, point: FailurePoint) {
        *self.store().shared.link.failure.lock().expect("not poisoned") = Some(point);
    }

    async fn reopen(&mut self) {
        self.store = None;
        self.open().await;
    }
}

#[tokio::test]
async fn passes_the_conformance_suite() {
    let server = Arc::new(Server::start("everysec"));
    conformance::run(async || Shared::new(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_conformance_suite_when_every_commit_waits_for_the_disk() {
    let server = Arc::new(Server::start("always"));
    conformance::run(async || Shared::new(&server).await).await;
}

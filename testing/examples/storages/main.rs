//! Redis against SQLite in one run, and one, two and three servers on one Redis:
//! `cargo run --release -p testing --example storages -- target/release/claude-code-server [rounds]`
//!
//! The server is the same, its agents are stubs, and only the storage differs; rounds take turns. Redis syncs once a second, as
//! SQLite does with `STORAGE_SYNC=normal` at its checkpoints.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

mod events;
mod reach;
mod submissions;
mod wire;

use std::path::{Path, PathBuf};

use testing::{RedisServer, Server, ServerBuilder};

/// What keeps the tasks.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Storage {
    Sqlite,
    Redis,
}

impl Storage {
    pub(crate) const ALL: [Self; 2] = [Self::Sqlite, Self::Redis];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Redis => "Redis",
        }
    }
}

/// What servers are started with.
pub(crate) struct Place {
    binary: String,
    folder: tempfile::TempDir,
}

impl Place {
    /// Servers on one storage, of so many agents each.
    pub(crate) async fn servers(
        &self,
        redis: Option<&RedisServer>,
        count: usize,
        agents: usize,
    ) -> Vec<Server> {
        let mut servers = Vec::new();
        for _ in 0..count {
            let mut builder = ServerBuilder::stub(&self.binary)
                .variable("SESSION_MAX_CONCURRENT", &agents.to_string())
                .variable("TASK_MAX_QUEUE_SIZE", "100000")
                .variable("SERVER_LOG_LEVEL", "info")
                .variable("WORKSPACE_ROOTS", &self.folder.path().display().to_string());
            if let Some(redis) = redis {
                builder = builder
                    .variable("STORAGE_TYPE", "redis")
                    .variable("STORAGE_REDIS_URL", &redis.url())
                    .variable("STORAGE_AGENTS_DIR", &self.folder.path().join("agents").display().to_string());
            }
            servers.push(builder.start().await);
        }
        servers
    }

    /// One server on a storage of its own, and its Redis.
    pub(crate) async fn server(&self, storage: Storage, agents: usize) -> (Server, Option<RedisServer>) {
        let redis = match storage {
            Storage::Sqlite => None,
            Storage::Redis => Some(RedisServer::start_synced("everysec").await),
        };
        let server = self.servers(redis.as_ref(), 1, agents).await.pop().expect("one");
        (server, redis)
    }

    pub(crate) fn workspace(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join("workspaces").join(name);
        std::fs::create_dir_all(&path).expect("made");
        path.canonicalize().expect("there")
    }
}

pub(crate) async fn stop(servers: impl IntoIterator<Item = Server>) {
    for server in servers {
        server.terminate();
        server.ended().await;
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The value that so many of a hundred do not exceed.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(place).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("the server's binary as first argument");
    let binary = Path::new(&binary).canonicalize().expect("the binary is there").display().to_string();
    let rounds = arguments.next().map_or(3, |text| text.parse().expect("a number"));
    let place = Place { binary, folder: tempfile::tempdir().expect("a folder") };
    events::measure(&place, rounds).await;
    submissions::measure(&place, rounds).await;
    submissions::group(&place).await;
    reach::measure(&place).await;
}

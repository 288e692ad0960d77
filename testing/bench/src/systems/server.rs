//! Our server, with each of its storages.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use tempfile::TempDir;
use testing::{RedisServer, Server, ServerBuilder, pinned_cli, stub_agent};

use super::{Agent, Parts, Running, System, Wants};

/// What keeps the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Forgets everything at its end.
    Memory,
    /// With `STORAGE_SYNC=normal`: what was answered survives the end of the process.
    Sqlite,
    /// A Redis beside the server, with `appendfsync everysec`.
    Redis,
}

impl Storage {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Sqlite, Self::Redis];

    /// As `STORAGE_TYPE` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
        }
    }
}

/// The server with one storage.
pub(crate) struct ServerSystem {
    program: PathBuf,
    storage: Storage,
}

/// A server and its Redis.
pub(crate) struct ServerParts {
    /// The server.
    pub(crate) server: Server,
    /// Shared by servers on one Redis.
    folder: TempDir,
}

impl ServerParts {
    /// Those of our server.
    pub(crate) fn of(running: &Running) -> Result<&Self> {
        running.parts().downcast_ref().context("it is another system")
    }
}

#[async_trait]
impl Parts for ServerParts {
    async fn stop(self: Box<Self>) -> Result<()> {
        self.server.terminate();
        let code = self.server.ended().await.code;
        ensure!(code == Some(0), "the server ended with {code:?}");
        drop(self.folder);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ServerSystem {
    /// Of that program, with that storage.
    pub(crate) fn new(program: &Path, storage: Storage) -> Self {
        Self { program: program.to_owned(), storage }
    }

    async fn redis(&self, wants: &Wants) -> Option<Arc<RedisServer>> {
        if self.storage != Storage::Redis {
            return None;
        }
        match wants.stock.as_ref().and_then(|stock| stock.redis()) {
            Some(redis) => Some(redis),
            None => Some(Arc::new(RedisServer::start_synced("everysec").await)),
        }
    }

    /// Starts one on a Redis that is there, or on none.
    pub(crate) async fn start_on(&self, wants: &Wants, redis: Option<Arc<RedisServer>>) -> Result<Running> {
        let folder = tempfile::tempdir()?;
        let workspaces = folder.path().join("workspaces");
        std::fs::create_dir(&workspaces)?;
        let builder = builder(&self.program, wants, folder.path());
        let mut builder = builder.variable("STORAGE_TYPE", self.storage.name());
        if let Some(redis) = &redis {
            builder = builder.variable("STORAGE_REDIS_URL", &redis.url());
        } else if let Some(stock) = &wants.stock {
            builder = builder.variable("STORAGE_DATA_DIR", &stock.folder().display().to_string());
        }
        let began = Instant::now();
        let server = builder.start().await;
        let (status, health) = server.get("/health").await;
        ensure!(status == 200, "/health was answered by {status}: {health}");
        let ready_after = began.elapsed();
        let address = server.url().trim_start_matches("http://").to_owned();
        let (pid, workspaces) = (server.pid(), workspaces.canonicalize()?);
        let parts = Box::new(ServerParts { server, folder });
        let mut running = Running::new(address, pid, ready_after, workspaces, parts)?;
        running.redis = redis;
        Ok(running)
    }
}

fn builder(program: &Path, wants: &Wants, folder: &Path) -> ServerBuilder {
    let program = program.display().to_string();
    let builder = match &wants.agent {
        Agent::Stub => ServerBuilder::with_cli(&program, &stub_agent()),
        Agent::Real { model_url } => {
            ServerBuilder::with_cli(&program, &pinned_cli()).variable("CLAUDE_BASE_URL", model_url)
        }
    };
    builder
        .variable("CLAUDE_API_KEY", "dummy")
        .variable("SERVER_LOG_LEVEL", "info")
        .variable("STORAGE_SYNC", "normal")
        .variable("WORKSPACE_ROOTS", &folder.display().to_string())
        .variable("SESSION_MAX_CONCURRENT", &wants.agents.to_string())
        .variable("SESSION_PREWARM", &wants.prewarm.to_string())
        .variable("SESSION_IDLE_TIMEOUT_SECONDS", if wants.keeps_agents { "1800" } else { "0" })
        .variable("TASK_MAX_QUEUE_SIZE", "100000")
}

#[async_trait]
impl System for ServerSystem {
    fn name(&self) -> &str {
        self.storage.name()
    }

    fn as_server(&self) -> Option<&ServerSystem> {
        Some(self)
    }

    async fn start(&self, wants: Wants) -> Result<Running> {
        let redis = self.redis(&wants).await;
        self.start_on(&wants, redis).await
    }
}

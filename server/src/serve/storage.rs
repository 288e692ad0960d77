//! Opens the storage.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use domain::{Clock, SystemClock};
use process::Owner;
use store::{CoreSettings, KEPT_IN_MEMORY, MemoryStore, Store};
use store_redis::{InstanceSettings, RedisSettings, RedisStore};
use store_sqlite::{SqliteOptions, SqliteStore, Sync};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::config::{self, Config};

/// The database's name in the data folder.
pub(crate) const DATABASE: &str = "tasks.sqlite";
/// The file whose lock says that a server uses the data folder, where no database says it (with Redis).
pub(crate) const LOCK: &str = "server.lock";
/// A server that was killed while it started an agent leaves a process that has the lock until it runs the agent's program.
const HELD_BY_THE_DYING: Duration = Duration::from_secs(2);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// The open storage.
pub(super) struct Storage {
    pub(super) store: Arc<dyn Store>,
    /// What is wrong with how it is set up, for health.
    pub(super) warnings: Vec<String>,
    kind: Kind,
}

/// What has to be closed at the end.
enum Kind {
    Memory,
    Sqlite(Arc<SqliteStore>),
    Redis(Arc<RedisStore>, File),
}

impl Storage {
    /// Waits until nothing can be written any more. Only a restart helps then: what is stored is whole.
    pub(super) async fn ended(&self) {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.ended().await,
            // Redis may come back.
            Kind::Memory | Kind::Redis(..) => std::future::pending().await,
        }
    }

    /// Writes down what is left to write, and lets go of the database.
    pub(super) async fn close(self) {
        match self.kind {
            Kind::Memory => {}
            Kind::Sqlite(sqlite) => {
                if spawn_blocking(move || sqlite.close()).await.is_err() {
                    tracing::error!("the database could not be closed in order");
                }
            }
            Kind::Redis(redis, _lock) => {
                if let Err(error) = redis.close().await {
                    tracing::error!(%error, "the other servers could not be told that this one has ended");
                }
            }
        }
    }
}

/// The storage that the configuration asks for, below that folder, once what an earlier server on the folder left behind has ended:
/// before that no task of it may be taken over.
pub(super) async fn open(config: &Config, data: &Path, owner: &Owner) -> anyhow::Result<Storage> {
    let settings = CoreSettings { notice: engine::status_notice, ..CoreSettings::default() };
    match &config.storage {
        config::Storage::Memory => {
            sweep(owner).await;
            let store = Arc::new(MemoryStore::begun_at(SystemClock.now(), settings, KEPT_IN_MEMORY));
            Ok(Storage { store, warnings: Vec::new(), kind: Kind::Memory })
        }
        config::Storage::Sqlite(sync) => {
            let sync = match sync {
                config::Sync::Normal => Sync::Normal,
                config::Sync::Full => Sync::Full,
            };
            let options = SqliteOptions { path: data.join(DATABASE), sync, settings };
            let sqlite = Arc::new(spawn_blocking(move || SqliteStore::open(options)).await??);
            // Only now: the database says that no other server lives on the folder.
            sweep(owner).await;
            Ok(Storage { store: sqlite.clone(), warnings: Vec::new(), kind: Kind::Sqlite(sqlite) })
        }
        config::Storage::Redis(redis) => {
            let lock = lock(data).await?;
            sweep(owner).await;
            open_redis(config, redis, settings, lock).await
        }
    }
}

async fn open_redis(
    config: &Config,
    redis: &RedisSettings,
    core: CoreSettings,
    lock: File,
) -> anyhow::Result<Storage> {
    let roots = config.workspace_roots.iter().map(|root| {
        root.canonicalize().with_context(|| format!("WORKSPACE_ROOTS: {} cannot be found", root.display()))
    });
    let workspace_roots = roots.collect::<Result<_, _>>()?;
    let labels = config.labels.iter().cloned().collect();
    let instance = InstanceSettings { workspace_roots, labels, ..redis.instance.clone() };
    let open = neighbours(config.auth.is_some(), redis);
    let redis = RedisStore::open(RedisSettings { core, instance, ..redis.clone() }).await;
    let redis = Arc::new(redis.context("STORAGE_TYPE=redis")?);
    let mut warnings = redis.warnings().await.context("STORAGE_TYPE=redis")?;
    warnings.extend(open);
    Ok(Storage { store: redis.clone(), warnings, kind: Kind::Redis(redis, lock) })
}

/// What is wrong when callers need a key here, and their agents need none to get at what is stored.
fn neighbours(callers_show_keys: bool, redis: &RedisSettings) -> Option<String> {
    let text = "redis is used without a password: agents share its network with this server, so they can read and change \
                everybody's tasks, whatever API_AUTH_ENABLED keeps callers from; set STORAGE_REDIS_PASSWORD (and requirepass there)";
    (callers_show_keys && redis.is_open_to_neighbours()).then(|| text.to_owned())
}

async fn sweep(owner: &Owner) {
    let report = process::sweep(owner).await;
    if report.processes_left > 0 {
        tracing::error!(
            processes_left = report.processes_left,
            "processes of an earlier server could not be ended"
        );
    } else if report.processes_killed > 0 {
        tracing::warn!(
            processes_killed = report.processes_killed,
            "processes of an earlier server were ended"
        );
    }
}

/// Makes sure that no other server uses the folder: each ends what an earlier one on its folder has left.
async fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
    let taken = async {
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => sleep(TRY_AGAIN_AFTER).await,
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    };
    match timeout(HELD_BY_THE_DYING, taken).await {
        Ok(taken) => taken.with_context(|| format!("{} cannot be locked", path.display()))?,
        Err(_) => {
            bail!("another server uses {}: give each server a STORAGE_DATA_DIR of its own", data.display())
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_agents_get_into_is_told_of_where_callers_need_a_key() {
        let redis = |host: &str| RedisSettings { host: host.into(), ..RedisSettings::default() };
        let told = |keys, host| neighbours(keys, &redis(host)).is_some();
        assert_eq!(
            [(true, "redis"), (false, "redis"), (true, "localhost")].map(|(keys, host)| told(keys, host)),
            [true, false, false]
        );
    }
}

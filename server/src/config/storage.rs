//! What is kept, where, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{InstanceLabel, MAX_INSTANCE_LABELS};
use secrecy::SecretString;
use store::Retention;
use store_redis::{InstanceSettings, RedisSettings};

use super::variables::{Reader, list};

/// Where tasks, events and sessions are kept.
#[derive(Debug, Clone)]
pub(crate) enum Storage {
    /// In this process's memory.
    Memory,
    /// In a database in the data folder.
    Sqlite(Sync),
    /// In Redis, where other servers may share it.
    Redis(Box<RedisSettings>),
}

impl Storage {
    /// Whether tasks are gone when the server stops.
    pub(crate) fn forgets(&self) -> bool {
        matches!(self, Self::Memory)
    }
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// The end of the process.
    Normal,
    /// A loss of power too.
    Full,
}

pub(super) fn read_storage(read: &mut Reader<'_>) -> Storage {
    let sync = read.value("STORAGE_SYNC", Sync::Normal, |text| match text {
        "normal" => Some(Sync::Normal),
        "full" => Some(Sync::Full),
        _ => None,
    });
    let redis = read_redis(read);
    read.value("STORAGE_TYPE", Storage::Sqlite(sync), |text| match text {
        "sqlite" => Some(Storage::Sqlite(sync)),
        "memory" => Some(Storage::Memory),
        "redis" => Some(Storage::Redis(Box::new(redis))),
        _ => None,
    })
}

pub(super) fn read_labels(read: &mut Reader<'_>) -> BTreeSet<InstanceLabel> {
    let labels = read.optional("STORAGE_INSTANCE_LABELS", |text| {
        let labels: BTreeSet<_> =
            list(text)?.iter().map(|label| InstanceLabel::parse(label)).collect::<Result<_, _>>().ok()?;
        (labels.len() <= MAX_INSTANCE_LABELS).then_some(labels)
    });
    labels.unwrap_or_default()
}

/// Servers renew their leases that often while one lasts.
const HEARTBEATS: u32 = 5;

fn read_redis(read: &mut Reader<'_>) -> RedisSettings {
    let preset = RedisSettings::default();
    let lease = Duration::from_secs(read.count("STORAGE_REDIS_LEASE_SECONDS", 10));
    let secret = |text: &str| Some(SecretString::from(text));
    let text = |text: &str| Some(text.to_owned());
    let name = read.optional("STORAGE_INSTANCE_NAME", |text| instance_name(text).then(|| text.to_owned()));
    RedisSettings {
        url: read.optional("STORAGE_REDIS_URL", |text| is_redis_url(text).then(|| secret(text)).flatten()),
        host: read.value("STORAGE_REDIS_HOST", preset.host, text),
        port: read.count("STORAGE_REDIS_PORT", 6379),
        db: read.count("STORAGE_REDIS_DB", 0),
        username: read.optional("STORAGE_REDIS_USERNAME", text),
        password: read.optional("STORAGE_REDIS_PASSWORD", secret),
        tls: read.flag("STORAGE_REDIS_TLS", false),
        prefix: read
            .value("STORAGE_REDIS_PREFIX", preset.prefix, |text| has_tag(text).then(|| text.to_owned())),
        lease,
        heartbeat: lease / HEARTBEATS,
        instance: InstanceSettings { name, ..InstanceSettings::default() },
        ..RedisSettings::default()
    }
}

fn is_redis_url(text: &str) -> bool {
    ["redis://", "rediss://", "redis+unix://"].iter().any(|scheme| text.starts_with(scheme))
}

/// A part in braces puts all keys into one slot of a cluster.
fn has_tag(prefix: &str) -> bool {
    prefix.split_once('{').and_then(|(_, rest)| rest.split_once('}')).is_some_and(|(tag, _)| !tag.is_empty())
}

fn instance_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.len() <= 128 && text.chars().all(is_allowed)
}

/// Whoever waits for a task's end, or reconnects, finds it.
const KEPT_AT_LEAST: Duration = Duration::from_secs(60);

pub(super) fn read_retention(read: &mut Reader<'_>) -> Retention {
    let days: u64 = read.count("STORAGE_KEEP_DAYS", 30);
    let megabytes: u64 = read.count("STORAGE_KEEP_MB", 10_240);
    Retention {
        min_age: KEPT_AT_LEAST,
        max_age: (days > 0).then(|| Duration::from_secs(days * 24 * 3600)),
        max_tasks: read.count("STORAGE_KEEP_TASKS", 1_000_000),
        max_bytes: megabytes << 20,
    }
}

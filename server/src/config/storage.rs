//! What is kept, where, and for how long.

use std::time::Duration;

use store::Retention;

use super::variables::Reader;

/// Where tasks, events and sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In this process's memory.
    Memory,
    /// In a database in the data folder.
    Sqlite(Sync),
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
    if read.text("STORAGE_TYPE") == Some("redis") {
        read.refuse("STORAGE_TYPE", "this version has no Redis storage yet: set sqlite or memory");
        return Storage::Memory;
    }
    read.value("STORAGE_TYPE", Storage::Sqlite(sync), |text| match text {
        "sqlite" => Some(Storage::Sqlite(sync)),
        "memory" => Some(Storage::Memory),
        _ => None,
    })
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

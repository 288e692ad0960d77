//! The folders: of the data, and of the workspaces.

use std::fs::{File, TryLockError};
use std::path::Path;

use rustix::fs::{Access, access, statvfs};
use store_redis::RedisSettings;
use store_sqlite::Condition;

use super::Check;
use crate::config::{Config, Storage};
use crate::serve::{DATABASE, LOCK};

/// Below that, the next tasks fail.
const LEAST_ROOM_MB: u64 = 200;
/// Below that, somebody should look.
const FEW_ROOM_MB: u64 = 2048;

/// The data folder, or the nearest one above it, in which it would be made.
fn existing(folder: &Path) -> &Path {
    let existing = folder.ancestors().find(|folder| folder.exists());
    existing.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn check_folder(config: &Config) -> Check {
    const NAME: &str = "storage";
    let folder = &config.data_dir;
    let there = existing(folder);
    let shown = folder.display();
    // A file is made, since permissions alone do not tell: a file system may be read-only or full.
    match tempfile::tempfile_in(there) {
        Ok(_) if there == folder => Check::ok(NAME, format!("{shown} can be written")),
        Ok(_) => Check::ok(NAME, format!("{shown} will be made at the first start")),
        Err(error) => Check::fail(
            NAME,
            format!(
                "STORAGE_DATA_DIR={shown}: {} cannot be written ({error}): choose another",
                there.display()
            ),
        ),
    }
}

const DATABASE_CHECK: &str = "database";

/// Also tells whether a server runs on it.
pub(super) fn check_database(config: &Config) -> (Check, bool) {
    match &config.storage {
        Storage::Memory => {
            (Check::ok(DATABASE_CHECK, "none: tasks are kept in memory until the server stops"), false)
        }
        Storage::Redis(redis) => (check_redis(redis), is_locked(&config.data_dir.join(LOCK))),
        Storage::Sqlite(_) => check_sqlite(&config.data_dir.join(DATABASE)),
    }
}

fn check_sqlite(path: &Path) -> (Check, bool) {
    const NAME: &str = DATABASE_CHECK;
    match store_sqlite::inspect(path) {
        Ok(Condition::Absent) => (Check::ok(NAME, "will be made at the first start"), false),
        Ok(Condition::InUse) => (Check::ok(NAME, "in use by a running server"), true),
        Ok(Condition::Ready { version, current }) if version < current => {
            let detail = format!("its format {version} will be brought to {current} at the next start");
            (Check::ok(NAME, detail), false)
        }
        Ok(Condition::Ready { version, .. }) => {
            (Check::ok(NAME, format!("can be opened; its format is {version}")), false)
        }
        Err(error) => (Check::fail(NAME, error.to_string()), false),
    }
}

fn check_redis(redis: &RedisSettings) -> Check {
    const NAME: &str = DATABASE_CHECK;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Check::fail(NAME, format!("Redis cannot be asked ({error})")),
    };
    match runtime.block_on(store_redis::inspect(redis)) {
        Ok(warnings) if warnings.is_empty() => Check::ok(NAME, "Redis answers, and keeps what it is given"),
        Ok(warnings) => Check::warn(NAME, warnings.join("; ")),
        Err(error) => Check::fail(NAME, format!("STORAGE_TYPE=redis: {error}")),
    }
}

/// Whether a server holds the lock of its data folder.
fn is_locked(path: &Path) -> bool {
    // The lock is shared, so that two who look at the same time do not take each other for a server.
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

pub(super) fn check_room(config: &Config) -> Check {
    const NAME: &str = "disk";
    let free = match statvfs(existing(&config.data_dir)) {
        Ok(found) => (found.f_bavail.saturating_mul(found.f_frsize)) >> 20,
        Err(error) => return Check::warn(NAME, format!("free space is unknown ({error})")),
    };
    let remedy = "make room, or set STORAGE_DATA_DIR to another disk";
    match free {
        ..LEAST_ROOM_MB => Check::fail(NAME, format!("{free} MiB are free: {remedy}")),
        LEAST_ROOM_MB..FEW_ROOM_MB => Check::warn(NAME, format!("only {free} MiB are free: {remedy}")),
        _ => Check::ok(NAME, format!("{free} MiB are free")),
    }
}

pub(super) fn check_workspaces(root: &Path) -> Check {
    const NAME: &str = "workspaces";
    let shown = root.display();
    if access(root, Access::READ_OK | Access::EXEC_OK).is_err() {
        return Check::fail(
            NAME,
            format!("{shown} cannot be read: correct WORKSPACE_ROOTS or its permissions"),
        );
    }
    match access(root, Access::WRITE_OK) {
        Ok(()) => Check::ok(NAME, format!("{shown} can be read and written")),
        Err(_) => Check::warn(NAME, format!("{shown} cannot be written: no new workspace can be made in it")),
    }
}

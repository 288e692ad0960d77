//! One process at a time: a lock that ends with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A server that was killed while it started an agent leaves a process that has the lock until it runs the agent's program,
/// or is killed too.
const HELD_BY_THE_DYING: Duration = Duration::from_secs(2);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Held as long as it lives. Programs that are started meanwhile do not inherit it: the standard library opens files so.
#[derive(Debug)]
pub(crate) struct DatabaseLock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it.
    Held,
    Io(PathBuf, std::io::Error),
}

impl DatabaseLock {
    /// Takes the lock of a database. Its file stays, so that nobody locks one that is about to go.
    pub(crate) fn take(database: &Path) -> Result<Self, LockError> {
        let give_up = Instant::now() + HELD_BY_THE_DYING;
        loop {
            match Self::take_if_free(database)? {
                Some(lock) => return Ok(lock),
                None if Instant::now() < give_up => sleep(TRY_AGAIN_AFTER),
                None => return Err(LockError::Held),
            }
        }
    }

    /// The same, without waiting; nothing when another process has it.
    pub(crate) fn take_if_free(database: &Path) -> Result<Option<Self>, LockError> {
        let path = beside(database, ".lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(error) => return Err(LockError::Io(path, error)),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(LockError::Io(path, error)),
        }
    }
}

/// A file that belongs to a database: its name with a suffix added.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The folder of a file, for messages and to be synced.
pub(crate) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

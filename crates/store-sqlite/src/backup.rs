//! Copies of a database, made while a server uses it, and put back when none does.
//!
//! A copy is made within one read transaction: it is one moment's state, the writer goes on meanwhile, and it comes to an end
//! however much is written. It is checked as a whole before it gets its name.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::connection::{open_reader, open_writer};
use crate::lock::{DatabaseLock, beside, folder_of};
use crate::open::{OpenError, check_identity, first_damage};

/// How often a database that cannot be read at the moment is tried again, and how long after.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupReport {
    /// Size of the copy.
    pub bytes: u64,
    /// How many tasks it holds.
    pub tasks: u64,
}

/// What happens with a database that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// It stays, and nothing is restored.
    #[default]
    Refuse,
    /// It is lost.
    Replace,
}

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to be copied.
    #[error("there is no database {}: give the path of its file", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something is there already.
    #[error("{} exists already: choose another path, or say that it is to be replaced", .path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// What is to be copied, to be replaced or was copied cannot be used.
    #[error(transparent)]
    Database(#[from] OpenError),
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> BackupError {
    move |error| OpenError::of_sqlite(path, &error).into()
}

fn io_failed(path: &Path) -> impl Fn(std::io::Error) -> BackupError {
    move |source| OpenError::Io { path: path.to_owned(), source }.into()
}

/// Copies a database, which a server of another process may use meanwhile, to a new file.
///
/// # Errors
/// See [`BackupError`].
pub fn backup(database: &Path, to: &Path) -> Result<BackupReport, BackupError> {
    refuse_existing(to)?;
    let copy = Unfinished::copy(database, beside(to, ".unfinished"))?;
    // Somebody else may have made one meanwhile.
    refuse_existing(to)?;
    copy.finish(to)
}

/// Puts a copy back in the place of a database that no server uses, nor can meanwhile. What belongs to it is put in its place
/// by `first`, before the copy gets its name; gives what that gave, too.
///
/// # Errors
/// See [`BackupError`]; and those of `first`.
pub fn restore<T, E: From<BackupError>>(
    backup: &Path,
    database: &Path,
    overwrite: Overwrite,
    first: impl FnOnce() -> Result<T, E>,
) -> Result<(BackupReport, T), E> {
    let _lock = DatabaseLock::take(database)
        .map_err(|error| BackupError::from(OpenError::of_lock(database, error)))?;
    if overwrite == Overwrite::Refuse {
        refuse_existing(database)?;
    }
    let copy = Unfinished::copy(backup, beside(database, ".restoring"))?;
    let belongings = first()?;
    // Before the copy takes its name: it must never be found beside the log of another database.
    for suffix in ["-wal", "-shm", "-journal"] {
        remove(&beside(database, suffix))?;
    }
    sync_folder(database)?;
    Ok((copy.finish(database)?, belongings))
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    if path.try_exists().map_err(io_failed(path))? {
        return Err(BackupError::Exists { path: path.to_owned() });
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_failed(path)(error)),
        _ => Ok(()),
    }
}

fn sync_folder(file: &Path) -> Result<(), BackupError> {
    let folder = folder_of(file);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_failed(folder))
}

/// A copy under another name; it is removed unless it is finished.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
    tasks: u64,
}

impl Unfinished {
    /// Copies a database and checks the copy.
    fn copy(database: &Path, path: PathBuf) -> Result<Self, BackupError> {
        if !database.try_exists().map_err(io_failed(database))? {
            return Err(BackupError::Missing { path: database.to_owned() });
        }
        let source = open_reader(database).map_err(failed(database))?;
        check_identity(&source, database)?;
        // What an earlier copy that was cut off has left.
        remove(&path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&path).map_err(io_failed(&path))?;
        let mut copy = Self { path, tasks: 0 };
        copy.fill(&source, database)?;
        copy.tasks = copy.check()?;
        Ok(copy)
    }

    fn fill(&self, source: &Connection, database: &Path) -> Result<(), BackupError> {
        let mut target = open_writer(&self.path).map_err(failed(&self.path))?;
        // It is synced as a whole at the end, and thrown away when something fails.
        target.execute_batch("PRAGMA synchronous = OFF").map_err(failed(&self.path))?;
        let backup = Backup::new(source, &mut target).map_err(failed(&self.path))?;
        for _ in 0..TRIES {
            match backup.step(-1).map_err(failed(database))? {
                StepResult::Done => return Ok(()),
                _ => std::thread::sleep(PAUSE),
            }
        }
        let reason = "it was locked all the time: try again".to_owned();
        Err(OpenError::Storage { path: database.to_owned(), reason }.into())
    }

    /// Looks all of it through, and makes it one file that needs none beside it; tells how many tasks it holds.
    fn check(&self) -> Result<u64, BackupError> {
        let failed = failed(&self.path);
        let connection = open_writer(&self.path).map_err(&failed)?;
        connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(&failed)?;
        if let Some(reason) = first_damage(&connection, "integrity_check").map_err(&failed)? {
            return Err(OpenError::Corrupt { path: self.path.clone(), reason }.into());
        }
        if check_identity(&connection, &self.path)? == 0 {
            return Ok(0);
        }
        let tasks = connection.query_row("SELECT count(*) FROM tasks", [], |row| row.get::<_, i64>(0));
        Ok(tasks.map_err(&failed)?.cast_unsigned())
    }

    /// Gives it its name, durably.
    fn finish(self, name: &Path) -> Result<BackupReport, BackupError> {
        let file = File::open(&self.path).map_err(io_failed(&self.path))?;
        file.sync_all().map_err(io_failed(&self.path))?;
        let bytes = file.metadata().map_err(io_failed(&self.path))?.len();
        std::fs::rename(&self.path, name).map_err(io_failed(name))?;
        sync_folder(name)?;
        Ok(BackupReport { bytes, tasks: self.tasks })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            // It has its name by now, or there is nothing better to do.
            drop(remove(&beside(&self.path, suffix)));
        }
    }
}

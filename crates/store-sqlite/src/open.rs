//! Finds out what the file is, and makes it ready.
//!
//! What is wrong is found before anything is changed. Every start checks whose database it is, its version, and that
//! everything of the schema is there. The content is looked through (`quick_check`) when the last server did not close the
//! database and it is small enough for that to be quick: 64 MiB take about a quarter of a second on a busy machine. A larger
//! one that is damaged is found by the first command or read that meets the damage, and by every backup.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use crate::Sync;
use crate::connection::{open_writer, set_up_writer};
use crate::lock::{LockError, folder_of};
use crate::schema::{self, Identity};

/// Largest database that is looked through at a start.
const QUICKLY_CHECKED: u64 = 64 * 1024 * 1024;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server uses it.
    #[error(
        "another server uses the data in {}: stop it first, or give this one a folder of its own",
        .folder.display()
    )]
    InUse {
        /// Where it is.
        folder: PathBuf,
    },
    /// Its format is that of a later version.
    #[error(
        "the database was made by a newer version (its format is {found}, this one knows {known}): use that version, or \
         restore a backup"
    )]
    Newer {
        /// Its format.
        found: usize,
        /// The last format that this program knows.
        known: usize,
    },
    /// It belongs to another program.
    #[error("{} is a database of another program: choose another path, or move it away", .path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
    },
    /// It is damaged, or no database.
    #[error("{} is damaged or no database ({reason}): restore a backup of it", .path.display())]
    Corrupt {
        /// Where it is.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// It could not be read or written.
    #[error("cannot use the database {}: {reason}", .path.display())]
    Storage {
        /// Where it is.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// A file could not be made, read or locked.
    #[error("cannot use {}: {source}: is its folder there, and may the server write in it?", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

impl OpenError {
    pub(crate) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt { path, reason },
            _ => Self::Storage { path, reason },
        }
    }

    pub(crate) fn of_lock(database: &Path, error: LockError) -> Self {
        match error {
            LockError::Held => Self::InUse { folder: folder_of(database).to_owned() },
            LockError::Io(path, source) => Self::Io { path, source },
        }
    }
}

/// A connection that writes to a database of the current format; whoever calls holds its lock.
pub(crate) fn prepare(path: &Path, sync: Sync) -> Result<Connection, OpenError> {
    make_file(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let has_magic = check_magic(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    if !has_magic {
        let reason = "it does not begin as a database does".to_owned();
        return Err(OpenError::Corrupt { path: path.to_owned(), reason });
    }
    let failed = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    let mut connection = open_writer(path).map_err(failed)?;
    let version = check_identity(&connection, path)?;
    set_up_writer(&connection, sync).map_err(failed)?;
    schema::migrate(&mut connection, version).map_err(failed)?;
    check_schema(&connection, path)?;
    check_content(&connection, path)?;
    Ok(connection)
}

/// Prompts and answers are nobody else's business. SQLite gives the files beside it the same permissions.
fn make_file(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Whether it begins as a database does, or is empty.
pub(crate) fn check_magic(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head.is_empty() || head == MAGIC)
}

/// The version that it has; 0 when it is empty.
pub(crate) fn check_identity(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    match schema::identify(connection).map_err(|error| OpenError::of_sqlite(path, &error))? {
        Identity::Empty => Ok(0),
        Identity::Foreign => Err(OpenError::Foreign { path: path.to_owned() }),
        Identity::Ours { version } if version > schema::VERSION => {
            Err(OpenError::Newer { found: version, known: schema::VERSION })
        }
        Identity::Ours { version } => Ok(version),
    }
}

pub(crate) fn check_schema(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let difference = schema::difference(connection).map_err(|error| OpenError::of_sqlite(path, &error))?;
    let Some(missing) = difference else { return Ok(()) };
    let reason = format!("{missing} is missing or differs");
    Err(OpenError::Corrupt { path: path.to_owned(), reason })
}

pub(crate) fn check_content(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    let clean: Option<bool> =
        connection.query_row("SELECT max(clean) FROM meta", [], |row| row.get(0)).map_err(failed)?;
    let Some(clean) = clean else {
        let reason = "the counters are missing".to_owned();
        return Err(OpenError::Corrupt { path: path.to_owned(), reason });
    };
    let size = path.metadata().map_err(|source| OpenError::Io { path: path.to_owned(), source })?.len();
    if clean || size > QUICKLY_CHECKED {
        return Ok(());
    }
    match first_damage(connection, "quick_check").map_err(failed)? {
        None => Ok(()),
        Some(reason) => Err(OpenError::Corrupt { path: path.to_owned(), reason }),
    }
}

/// The first damage that one of SQLite's checks finds.
pub(crate) fn first_damage(connection: &Connection, check: &str) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row(&format!("PRAGMA {check}(1)"), [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

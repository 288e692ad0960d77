//! A look at a database that changes nothing of it.

use std::path::Path;

use crate::connection::open_reader;
use crate::lock::DatabaseLock;
use crate::open::{OpenError, check_content, check_identity, check_magic, check_schema};
use crate::schema;

/// What a database is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// There is none yet.
    Absent,
    /// A server uses it.
    InUse,
    /// It can be opened.
    Ready {
        /// Its format.
        version: usize,
        /// The format that a start brings it to.
        current: usize,
    },
}

/// Looks at the database at `path` as a start would, and changes nothing. No server can start on it meanwhile.
///
/// # Errors
/// Why a server would not open it.
pub fn inspect(path: &Path) -> Result<Condition, OpenError> {
    let io_failed = |source| OpenError::Io { path: path.to_owned(), source };
    if !path.try_exists().map_err(io_failed)? {
        return Ok(Condition::Absent);
    }
    let Some(_lock) = DatabaseLock::take_if_free(path).map_err(|error| OpenError::of_lock(path, error))?
    else {
        return Ok(Condition::InUse);
    };
    if !check_magic(path).map_err(io_failed)? {
        let reason = "it does not begin as a database does".to_owned();
        return Err(OpenError::Corrupt { path: path.to_owned(), reason });
    }
    let connection = open_reader(path).map_err(|error| OpenError::of_sqlite(path, &error))?;
    let version = check_identity(&connection, path)?;
    // An older one is looked through when it has been brought to the current format.
    if version == schema::VERSION {
        check_schema(&connection, path)?;
        check_content(&connection, path)?;
    }
    Ok(Condition::Ready { version, current: schema::VERSION })
}

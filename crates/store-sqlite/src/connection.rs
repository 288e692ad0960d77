//! Connections, and how they are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::Sync;

/// Large batches fit into few pages; measured, 8 KiB costs a sixth less room than 4 KiB.
pub(crate) const PAGE_SIZE: i32 = 8192;
/// How long a connection waits for another one. In normal operation none waits.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What the log's file is cut to when it is begun anew, in bytes.
const LOG_KEPT: i64 = 64 * 1024 * 1024;
const WRITER_CACHE_KIB: i64 = 8 * 1024;
const READER_CACHE_KIB: i64 = 1024;
const STATEMENTS: usize = 48;

/// A connection that writes; nothing of the database is read or changed yet.
pub(crate) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// A connection that only reads.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection is used by one thread at a time, and the path is a path, not a URI.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Or SQLite looks at the values when it plans joins, and prepares them anew each time that another one is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}

/// Sets a writing connection up. The journal's mode is kept in the file; the rest is the connection's own.
pub(crate) fn set_up_writer(connection: &Connection, sync: Sync) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_SIZE)?; // heeded by an empty database only
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let sync = match sync {
        Sync::Normal => "NORMAL",
        Sync::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", sync)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    connection.query_row(&format!("PRAGMA journal_size_limit = {LOG_KEPT}"), [], |_| Ok(()))?;
    Ok(())
}

/// Lets go of the pages that a connection keeps in memory and does not need now.
pub(crate) fn release_memory(connection: &Connection) {
    // One that fails keeps them.
    drop(connection.execute_batch("PRAGMA shrink_memory"));
}

//! The embedded durable store: everything in one SQLite file.
//!
//! One thread owns the connection that writes, and [`store::Core`], which decides what commands mean. It carries out what has
//! gathered in one transaction, tells the readers, and then answers. Reads go to what the readers share, or to a few
//! connections that only read; another thread copies the write-ahead log into the database.
//!
//! A row is what one commit added to one task's log, not an event. Room of what was dropped is used again; the file does
//! not shrink.

mod backup;
mod command;
mod connection;
mod fault;
mod inbox;
mod inspect;
mod listing;
mod lock;
mod open;
mod readers;
mod reads;
mod rows;
mod schema;
mod seat;
mod store;
mod tables;
mod wal;
mod writer;

pub use crate::backup::{BackupError, BackupReport, Overwrite, backup, restore};
pub use crate::inspect::{Condition, inspect};
pub use crate::open::OpenError;
pub use crate::store::{SqliteOptions, SqliteStore, Sync};

#[cfg(test)]
mod tests;

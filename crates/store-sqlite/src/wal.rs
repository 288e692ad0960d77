//! Keeps the write-ahead log short without holding commits up.
//!
//! Pages are copied into the database by a thread with a connection of its own (`PASSIVE`, which waits for nobody). Under
//! steady load that never catches up to the last page, and only a log of which every page was copied is begun anew. So when
//! it has become long, the writer does the rest between two transactions, right after the thread has done most of it.
//! A reader that holds an old state, such as a backup, keeps the log from being begun anew; then it is tried again further
//! on, with more patience the longer the log is: writers are slowed down rather than the disk filled. So they are when the
//! disk is too slow for the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

use crate::connection::{BUSY_TIMEOUT, PAGE_SIZE};

const MIB: i32 = 1024 * 1024 / PAGE_SIZE;

/// How long the log may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Pages after which the thread copies.
    copy_every: i32,
    /// Pages after which the log is to be begun anew, and further pages after which that is tried again.
    long: i32,
    /// Pages beyond which the writer waits longer for readers, and for the thread as well.
    too_long: i32,
    patience: Duration,
    more_patience: Duration,
}

impl Limits {
    /// Those of a server.
    pub(crate) const USUAL: Self = Self {
        copy_every: 4 * MIB,
        long: 64 * MIB,
        too_long: 256 * MIB,
        patience: Duration::from_millis(20),
        more_patience: Duration::from_secs(1),
    };
}

/// The writer's part.
#[derive(Debug)]
pub(crate) struct WalCare {
    limits: Limits,
    /// Pages in the log, as SQLite tells after each commit.
    pages: Arc<AtomicI32>,
    copying: Arc<AtomicBool>,
    /// Whether every page of the log was copied when that was looked at last.
    all_copied: Arc<AtomicBool>,
    copy: SyncSender<()>,
    copied_at: i32,
    begin_anew_at: i32,
}

/// The thread's part.
#[derive(Debug)]
pub(crate) struct Copier {
    connection: Connection,
    copying: Arc<AtomicBool>,
    all_copied: Arc<AtomicBool>,
    wanted: Receiver<()>,
}

/// Both parts. The writer's connection must not copy by itself: the hook that counts takes the place of that.
pub(crate) fn care(
    writer: &mut Connection,
    connection: Connection,
    limits: Limits,
) -> rusqlite::Result<(WalCare, Copier)> {
    let pages = Arc::new(AtomicI32::new(0));
    let copying = Arc::new(AtomicBool::new(false));
    let (copy, wanted) = sync_channel(1);
    let counter = Arc::clone(&pages);
    writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
        counter.store(pages, Ordering::Relaxed);
        Ok(())
    }))?;
    // The first commit begins the log.
    let all_copied = Arc::new(AtomicBool::new(true));
    let copier =
        Copier { connection, copying: Arc::clone(&copying), all_copied: Arc::clone(&all_copied), wanted };
    let care = WalCare { limits, pages, copying, all_copied, copy, copied_at: 0, begin_anew_at: limits.long };
    Ok((care, copier))
}

impl WalCare {
    /// Whether the log is to be begun anew by us, or by SQLite with the next commit: then its new head is written to the disk.
    pub(crate) fn takes_long(&self) -> bool {
        self.pages.load(Ordering::Relaxed) >= self.begin_anew_at || self.all_copied.load(Ordering::Acquire)
    }

    /// Looks after the log between two transactions of the writer.
    pub(crate) fn after_commit(&mut self, writer: &Connection) {
        self.all_copied.store(false, Ordering::Release);
        if !self.copy_if_due() {
            self.begin_anew(writer, self.pages.load(Ordering::Relaxed));
        }
    }

    /// Has the thread copy, when it is time for that; false when the log is to be begun anew instead.
    pub(crate) fn copy_if_due(&mut self) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.copied_at {
            self.copied_at = 0;
            self.begin_anew_at = self.limits.long;
        }
        if self.copying.load(Ordering::Acquire) && pages < self.limits.too_long {
            return true;
        }
        if pages >= self.begin_anew_at {
            return false;
        }
        if pages >= self.copied_at + self.limits.copy_every {
            self.copied_at = pages;
            self.copying.store(true, Ordering::Release);
            if self.copy.try_send(()).is_err() {
                self.copying.store(false, Ordering::Release);
            }
        }
        true
    }

    fn begin_anew(&mut self, writer: &Connection, pages: i32) {
        let limits = &self.limits;
        let patience = if pages >= limits.too_long { limits.more_patience } else { limits.patience };
        let done = writer.busy_timeout(patience).and_then(|()| checkpoint(writer, "RESTART"));
        // The next transaction meets at most the thread's connection, for a moment.
        let usual = writer.busy_timeout(BUSY_TIMEOUT);
        if matches!((done, usual), (Ok(Copied::All), Ok(()))) {
            self.all_copied.store(true, Ordering::Release);
            self.pages.store(0, Ordering::Relaxed);
            self.copied_at = 0;
            self.begin_anew_at = self.limits.long;
        } else {
            self.begin_anew_at = pages + self.limits.long;
        }
    }
}

impl Copier {
    /// Works until the writer is gone; then the log is emptied.
    pub(crate) fn run(self) {
        while self.wanted.recv().is_ok() {
            self.copy();
        }
        drop(checkpoint(&self.connection, "TRUNCATE"));
    }

    fn copy(&self) {
        // What cannot be copied now stays in the log, where it is as safe.
        if matches!(checkpoint(&self.connection, "PASSIVE"), Ok(Copied::All)) {
            self.all_copied.store(true, Ordering::Release);
        }
        self.copying.store(false, Ordering::Release);
    }
}

/// How far a checkpoint came.
enum Copied {
    /// It did what it was to do, and every page that the log had then is in the database.
    All,
    Some,
}

/// Runs a checkpoint.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Copied> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| {
        let (held_up, pages, copied): (i32, i32, i32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(if held_up == 0 && pages == copied { Copied::All } else { Copied::Some })
    })
}

#[cfg(test)]
mod tests;

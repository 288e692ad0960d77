//! The children that this crate forked and has not reaped, so that nobody else takes their end.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// The pids. Whoever forks or waits holds the lock meanwhile.
pub(crate) fn lock() -> MutexGuard<'static, HashSet<u32>> {
    static PIDS: LazyLock<Mutex<HashSet<u32>>> = LazyLock::new(Mutex::default);
    PIDS.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The children that this crate forked and has not reaped, so that nobody else takes their end.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// How long, and how often, one waits who can do without: a fork takes a millisecond, but hangs with its folder's file system.
const LOOK_AGAIN: Duration = Duration::from_micros(500);
const LOOKS: usize = 20;

static PIDS: LazyLock<Mutex<HashSet<u32>>> = LazyLock::new(Mutex::default);

/// The pids. Whoever forks or waits holds the lock meanwhile.
pub(crate) fn lock() -> MutexGuard<'static, HashSet<u32>> {
    PIDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], unless it takes longer than some milliseconds.
pub(crate) fn lock_soon() -> Option<MutexGuard<'static, HashSet<u32>>> {
    for _ in 0..LOOKS {
        match PIDS.try_lock() {
            Ok(pids) => return Some(pids),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK_AGAIN),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_do_without_does_not_wait_for_a_fork_that_hangs() {
        let hanging = lock();
        assert!(thread::spawn(|| lock_soon().is_none()).join().unwrap());
        drop(hanging);
        assert!(lock_soon().is_some());
    }
}

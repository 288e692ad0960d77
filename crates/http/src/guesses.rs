//! Who may try a key or token: whoever showed too many wrong ones from an address learns of no right one for a while.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use sha2::{Digest, Sha256};

use crate::rate_limit::Caller;

/// Most addresses that are remembered of each sort; beyond, those whose time is up are forgotten, then all.
const MOST: usize = 10_000;

/// A key or token that was shown from an address. Its text cannot be told from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shown {
    from: Caller,
    digest: [u8; 32],
}

impl Shown {
    pub(crate) fn new(from: Caller, text: &[u8]) -> Self {
        Self { from, digest: Sha256::digest(text).into() }
    }
}

/// Addresses that have to wait, and what was right before: others at the same address are not locked out by a guesser.
#[derive(Debug, Default)]
pub struct Guesses {
    waiting: Mutex<HashMap<Caller, Timestamp>>,
    proven: Mutex<HashSet<Shown>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is ever half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guesses {
    /// How long this may not be tried yet, if so.
    pub(crate) fn wait(&self, shown: &Shown, now: Timestamp) -> Option<Duration> {
        let until = lock(&self.waiting).get(&shown.from).copied()?;
        let wait = until.since(now);
        (!wait.is_zero() && !lock(&self.proven).contains(shown)).then_some(wait)
    }

    /// It was right.
    pub(crate) fn was_right(&self, shown: Shown) {
        let mut proven = lock(&self.proven);
        if proven.len() >= MOST && !proven.contains(&shown) {
            proven.clear();
        }
        proven.insert(shown);
    }

    /// There were too many wrong ones from there.
    pub(crate) fn block(&self, from: Caller, until: Timestamp, now: Timestamp) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= MOST {
            waiting.retain(|_, until| *until > now);
        }
        if waiting.len() >= MOST {
            waiting.clear();
        }
        waiting.insert(from, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn at(last: u8) -> Caller {
        Caller::at(Some([10, 0, 0, last].into()))
    }

    #[test]
    fn who_guessed_too_often_learns_of_no_right_key_and_locks_nobody_out() {
        let guesses = Guesses::default();
        let shown = |last, text: &str| Shown::new(at(last), text.as_bytes());
        guesses.was_right(shown(1, "proven"));
        guesses.block(at(1), NOW.after(Duration::from_secs(3)), NOW);
        assert_eq!(guesses.wait(&shown(1, "guess"), NOW), Some(Duration::from_secs(3)));
        assert_eq!(guesses.wait(&shown(1, "proven"), NOW), None, "it was right before");
        assert_eq!(guesses.wait(&shown(2, "guess"), NOW), None, "another address");
        assert_eq!(
            guesses.wait(&shown(1, "guess"), NOW.after(Duration::from_secs(3))),
            None,
            "the time is up"
        );
        guesses.block(at(2), NOW.after(Duration::from_secs(1)), NOW);
        let proven_elsewhere = guesses.wait(&shown(2, "proven"), NOW);
        assert_eq!(proven_elsewhere, Some(Duration::from_secs(1)), "it was right at another address");
    }

    #[test]
    fn not_too_much_is_remembered() {
        let guesses = Guesses::default();
        for number in 0..=u32::try_from(MOST).expect("small") {
            let from = Caller::at(Some(number.to_be_bytes().into()));
            guesses.block(from.clone(), NOW.after(Duration::from_secs(1)), NOW);
            guesses.was_right(Shown::new(from, b"key"));
        }
        assert_eq!((lock(&guesses.waiting).len(), lock(&guesses.proven).len()), (1, 1));
    }
}

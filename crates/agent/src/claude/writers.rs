//! One writer a conversation: the CLI has no lock of its own, and of two processes on one conversation the next resume
//! loses one (protocol section 1, rule 16).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// The conversations that are being written by agents of one launcher.
#[derive(Debug, Clone, Default)]
pub(super) struct Writers(Arc<Mutex<HashSet<Uuid>>>);

/// The right to write one conversation; given back on drop.
#[derive(Debug)]
pub(super) struct Writing {
    writers: Writers,
    conversation: Uuid,
}

impl Writers {
    /// `None` while somebody else writes it.
    pub(super) fn claim(&self, conversation: Uuid) -> Option<Writing> {
        self.lock().insert(conversation).then(|| Writing { writers: self.clone(), conversation })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.writers.lock().remove(&self.conversation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_has_one_writer_at_a_time() {
        let writers = Writers::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = writers.claim(one);
        assert!(first.is_some());
        assert!(writers.claim(one).is_none());
        assert!(writers.claim(other).is_some());
        drop(first);
        assert!(writers.claim(one).is_some());
    }
}

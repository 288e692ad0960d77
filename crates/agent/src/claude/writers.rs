//! One writer a conversation: the CLI has no lock of its own, and of two processes on one conversation the next resume
//! loses one (protocol section 1, rule 16).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

/// What somebody has a conversation for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An agent writes it, for as long as it lives.
    Write,
    /// Its end is mended before somebody reads it, which is soon over.
    Mend,
}

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<HashMap<Uuid, Purpose>>,
    /// One was given back.
    freed: Notify,
}

/// The conversations that are being written by agents of one launcher.
#[derive(Debug, Clone, Default)]
pub(super) struct Writers(Arc<Shared>);

/// The right to write one conversation; given back on drop.
#[derive(Debug)]
pub(super) struct Writing {
    writers: Writers,
    conversation: Uuid,
}

impl Writers {
    /// `None` while an agent writes it. Who only mends it is waited for. Cancel-safe.
    pub(super) async fn claim(&self, conversation: Uuid, purpose: Purpose) -> Option<Writing> {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.try_claim(conversation, purpose) {
                Ok(writing) => return Some(writing),
                Err(Purpose::Write) => return None,
                Err(Purpose::Mend) => freed.await,
            }
        }
    }

    /// Waits until nobody has it. Cancel-safe.
    pub(super) async fn claim_when_free(&self, conversation: Uuid) -> Writing {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Ok(writing) = self.try_claim(conversation, Purpose::Mend) {
                return writing;
            }
            freed.await;
        }
    }

    /// Else what somebody has it for.
    fn try_claim(&self, conversation: Uuid, purpose: Purpose) -> Result<Writing, Purpose> {
        match self.lock().entry(conversation) {
            Entry::Occupied(held) => Err(*held.get()),
            Entry::Vacant(free) => {
                free.insert(purpose);
                Ok(Writing { writers: self.clone(), conversation })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Purpose>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.writers.lock().remove(&self.conversation);
        self.writers.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Purpose::{Mend, Write};
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);

    fn claim(writers: &Writers, purpose: Purpose) -> Option<Writing> {
        writers.claim(ONE, purpose).now_or_never().expect("nobody is waited for")
    }

    #[test]
    fn a_conversation_has_one_writer_at_a_time() {
        let writers = Writers::default();
        let first = claim(&writers, Write);
        assert!(first.is_some());
        assert!(claim(&writers, Write).is_none());
        assert!(claim(&writers, Mend).is_none(), "nothing is mended that somebody writes");
        let other = writers.claim(Uuid::from_u128(2), Write).now_or_never();
        assert!(other.expect("at once").is_some());
        drop(first);
        assert!(claim(&writers, Write).is_some());
    }

    #[tokio::test]
    async fn who_mends_is_waited_for_and_who_forgets_waits_for_everybody() {
        let writers = Writers::default();
        let mending = claim(&writers, Mend);
        let mut next = Box::pin(writers.claim(ONE, Write));
        assert!((&mut next).now_or_never().is_none());
        drop(mending);
        let writing = next.await;
        assert!(writing.is_some());
        let mut forgetting = Box::pin(writers.claim_when_free(ONE));
        assert!((&mut forgetting).now_or_never().is_none());
        drop(writing);
        drop(forgetting.await);
        assert!(claim(&writers, Write).is_some());
    }
}

//! Reads one task's events by cursor: from the first on, then live, with no gap and no duplicate.

use std::sync::Arc;

use domain::TaskId;
use store::{EncodedEvent, Signal, Store, StoreError};
use tokio::sync::watch;

use crate::patience::Patience;

/// Why there is nothing more to read, although the task has not ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// The task was dropped by the retention.
    #[error("the task is no longer stored")]
    Gone,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Some events, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The events after those of the previous batch; empty only in the last one.
    pub events: Vec<EncodedEvent>,
    /// Whether this was the last batch.
    pub complete: bool,
}

/// A reader's position in one task's log. Costs nothing while nothing happens, and never slows a writer.
pub struct Subscription {
    store: Arc<dyn Store>,
    task_id: TaskId,
    cursor: u64,
    signal: watch::Receiver<Signal>,
}

impl Subscription {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        task_id: TaskId,
        cursor: u64,
        signal: watch::Receiver<Signal>,
    ) -> Self {
        Self { store, task_id, cursor, signal }
    }

    /// The number of the last event that was read; 0 before the first.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The number of the last event that is committed.
    pub fn end(&self) -> u64 {
        self.signal.borrow().tail
    }

    /// Waits for the next events. Cancel-safe: nothing is taken before it is returned.
    ///
    /// # Errors
    /// When the task is gone or the storage goes on failing.
    pub async fn next(&mut self) -> Result<Batch, SubscriptionError> {
        let mut patience = Patience::default();
        let mut is_told_no_more = false;
        loop {
            // Seen before the read: what is committed after it changes the signal again.
            self.signal.borrow_and_update();
            let page = match self.store.read(&self.task_id, self.cursor).await {
                Ok(page) => page.ok_or(SubscriptionError::Gone)?,
                Err(error) if patience.waits(&error).await => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(last) = page.events.last() {
                self.cursor = last.seq;
            }
            if page.complete || !page.events.is_empty() {
                return Ok(Batch { events: page.events, complete: page.complete });
            }
            if is_told_no_more {
                return Err(SubscriptionError::Gone);
            }
            patience = Patience::default();
            // What nobody tells any more may have been read too early: the storage is asked once again.
            is_told_no_more = self.signal.changed().await.is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use store::MemoryStore;
    use store::conformance::{append, id, submit_and_claim};

    use super::*;

    #[tokio::test]
    async fn what_is_told_no_more_is_read_once_again_before_it_counts_as_gone() {
        let store = Arc::new(MemoryStore::default());
        let claimed = submit_and_claim(&*store, "t").await;
        let (sender, signal) = watch::channel(Signal::default());
        let mut subscription = Subscription::new(store.clone(), id("t"), 0, signal);
        let commit = async {
            store.append(append(&claimed, 1..=2)).await.expect("written");
            drop(sender);
        };
        let (batch, ()) = tokio::join!(biased; subscription.next(), commit);
        let seqs: Vec<_> = batch.expect("events").events.iter().map(|event| event.seq).collect();
        assert_eq!((seqs, subscription.cursor()), (vec![1, 2], 2));
        assert_eq!(subscription.next().await, Err(SubscriptionError::Gone));
    }
}

//! Reads the events of all tasks by cursor: from there on, then live.

use std::sync::Arc;

use store::{FeedEntry, FeedFilter, Store, StoreError};
use tokio::sync::watch;

use crate::patience::Patience;

/// Some entries of the feed, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedBatch {
    /// The entries; empty when none of those that were looked at was wanted.
    pub entries: Vec<FeedEntry>,
    /// Where the reader is now.
    pub cursor: u64,
}

/// A reader's position in the feed.
pub struct FeedSubscription {
    store: Arc<dyn Store>,
    filter: FeedFilter,
    /// Types of events that are wanted; empty for all.
    types: Vec<String>,
    cursor: u64,
    /// Whether that is what whoever reads has asked for.
    is_known: bool,
    signal: watch::Receiver<u64>,
}

impl FeedSubscription {
    /// Reads after a cursor, or from now on.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        filter: FeedFilter,
        types: Vec<String>,
        after: Option<u64>,
    ) -> Self {
        let signal = store.watch_feed();
        let end = *signal.borrow();
        // One beyond the end is of an earlier life of a store that forgets, whose clock was ahead: everything is new to its reader.
        let begins = |after| if !store.is_durable() && after > end { 0 } else { after };
        let cursor = after.map_or(end, begins);
        Self { store, filter, types, cursor, is_known: after == Some(cursor), signal }
    }

    /// Whether the reader begins elsewhere than was asked for, or nothing was asked for.
    pub fn begins_unasked(&self) -> bool {
        !self.is_known
    }

    /// Where the reader is.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Whether there is more than the reader has read.
    pub fn has_more(&self) -> bool {
        self.end() > self.cursor
    }

    /// Where the reader is after all that is committed.
    pub fn end(&self) -> u64 {
        *self.signal.borrow()
    }

    /// Waits for the next entries. Cancel-safe: nothing is taken before it is returned.
    ///
    /// # Errors
    /// When the storage goes on failing.
    pub async fn next(&mut self) -> Result<FeedBatch, StoreError> {
        let mut patience = Patience::default();
        loop {
            // Seen before the read: what is committed after it changes the signal again.
            let end = *self.signal.borrow_and_update();
            let mut page = match self.store.read_feed(self.cursor, &self.filter).await {
                Ok(page) => page,
                Err(error) if patience.waits(&error).await => continue,
                Err(error) => return Err(error),
            };
            patience = Patience::default();
            if page.cursor > self.cursor {
                self.cursor = page.cursor;
                page.entries.retain(|entry| self.wants(entry));
                return Ok(FeedBatch { entries: page.entries, cursor: page.cursor });
            }
            if end > self.cursor {
                // What was there up to the end has been dropped.
                self.cursor = end;
                return Ok(FeedBatch { entries: Vec::new(), cursor: end });
            }
            // The sender lives in the store, which we hold: an error cannot be.
            drop(self.signal.changed().await);
        }
    }

    fn wants(&self, entry: &FeedEntry) -> bool {
        let rest = entry.json.strip_prefix(b"{\"type\":\"");
        let is = |kind: &String| {
            rest.is_some_and(|rest| {
                rest.strip_prefix(kind.as_bytes()).is_some_and(|rest| rest.starts_with(b"\""))
            })
        };
        self.types.is_empty() || self.types.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::MemoryStore;
    use store::conformance::{append, finish, id, submit_and_claim};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_comes_to_the_end_although_what_was_there_is_gone() {
        let store = Arc::new(MemoryStore::default());
        finish(&*store, &submit_and_claim(&*store, "gone").await, 1).await;
        let end = *store.watch_feed().borrow();
        store.delete_task(&id("gone")).await.expect("it has ended");
        let mut reader = FeedSubscription::new(store.clone(), FeedFilter::default(), Vec::new(), Some(0));
        let batch = timeout(Duration::from_secs(1), reader.next()).await.expect("nothing to wait for");
        assert_eq!(batch, Ok(FeedBatch { entries: vec![], cursor: end }));
        assert_eq!((reader.cursor(), reader.has_more()), (end, false));
        let claimed = submit_and_claim(&*store, "t").await;
        let types = vec!["none".to_owned()];
        let mut other = FeedSubscription::new(store.clone(), FeedFilter::default(), types, Some(0));
        store.append(append(&claimed, 1..=1)).await.expect("written");
        let batch = reader.next().await.expect("available");
        assert_eq!((batch.entries.len(), batch.cursor), (3, other.next().await.expect("available").cursor));
    }
}

//! Streams of events, whether of one task or of all: where they come from, and the three ways in which they are sent.
//!
//! Each reader has a position of its own and reads by it, so a slow one holds up nobody and loses nothing.

pub(crate) mod filter;
pub(crate) mod page;
pub(crate) mod socket;
pub(crate) mod sse;
mod until_stop;
pub(crate) mod wanted;

use std::future::Future;

use bytes::{BufMut, Bytes, BytesMut};
use engine::{FeedSubscription, Subscription, SubscriptionError};
use store::StoreError;

use crate::refusal::Refusal;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where a reader is after it.
    pub(crate) cursor: u64,
    /// The stored bytes.
    pub(crate) json: Bytes,
}

/// Some events, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The events; there may be none.
    pub(crate) entries: Vec<Entry>,
    /// Where the reader is now: at the last event, or beyond it when what follows was not wanted.
    pub(crate) cursor: u64,
    /// Whether there will be no more.
    pub(crate) last: bool,
}

/// The events are gone or cannot be read; the log says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The task was dropped.
    Gone,
    /// The storage failed.
    Storage,
}

impl Failed {
    /// As an answer about that task.
    pub(crate) fn refusal(self, task: &str) -> Refusal {
        match self {
            Self::Gone => Refusal::task_not_found(task),
            Self::Storage => Refusal::storage_failed(),
        }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "events could not be read");
        Self::Storage
    }
}

/// Where events come from.
pub(crate) trait Source: Send + 'static {
    /// What WebSocket clients are told when the server stops.
    const RESTART: &'static str;

    /// Where the reader begins, if its client cannot know that: told first, so that one whose connection ends before the first event
    /// misses nothing.
    fn begins_at(&self) -> Option<u64>;

    /// Where the reader is.
    fn cursor(&self) -> u64;

    /// Where the reader is after all that is committed.
    fn end(&self) -> u64;

    /// Waits for the next events. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Batch, Failed>> + Send;

    /// An event as a text for WebSocket clients.
    fn text(entry: Entry) -> Bytes;
}

/// The events of one task; they carry their cursor in themselves, as `seq`.
impl Source for Subscription {
    const RESTART: &'static str = "the server stops: reconnect with ?after=SEQ";

    fn begins_at(&self) -> Option<u64> {
        None
    }

    fn cursor(&self) -> u64 {
        Self::cursor(self)
    }

    fn end(&self) -> u64 {
        Self::end(self)
    }

    async fn next(&mut self) -> Result<Batch, Failed> {
        let batch = Self::next(self).await.map_err(|error| match error {
            SubscriptionError::Gone => Failed::Gone,
            SubscriptionError::Store(error) => error.into(),
        })?;
        let entries = batch.events.into_iter().map(|event| Entry { cursor: event.seq, json: event.json });
        let entries: Vec<_> = entries.collect();
        let cursor = entries.last().map_or(0, |entry| entry.cursor);
        Ok(Batch { entries, cursor, last: batch.complete })
    }

    fn text(entry: Entry) -> Bytes {
        entry.json
    }
}

/// The events of all tasks.
impl Source for FeedSubscription {
    const RESTART: &'static str = "the server stops: reconnect with ?after=CURSOR";

    fn begins_at(&self) -> Option<u64> {
        self.begins_unasked().then(|| Self::cursor(self))
    }

    fn cursor(&self) -> u64 {
        Self::cursor(self)
    }

    fn end(&self) -> u64 {
        Self::end(self)
    }

    async fn next(&mut self) -> Result<Batch, Failed> {
        let batch = Self::next(self).await?;
        let entries = batch.entries.into_iter();
        let entries = entries.map(|entry| Entry { cursor: entry.position, json: entry.json }).collect();
        Ok(Batch { entries, cursor: batch.cursor, last: false })
    }

    fn text(entry: Entry) -> Bytes {
        let start = format!("{{\"cursor\":{},\"event\":", entry.cursor);
        let mut text = BytesMut::with_capacity(start.len() + entry.json.len() + 1);
        text.put_slice(start.as_bytes());
        text.put_slice(&entry.json);
        text.put_u8(b'}');
        text.freeze()
    }
}

/// What a client was told, and where its reader is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    told: u64,
    cursor: u64,
}

impl Position {
    /// Of a reader that has told its client where it begins.
    pub(crate) fn beginning(at: Option<u64>) -> Self {
        let at = at.unwrap_or_default();
        Self { told: at, cursor: at }
    }

    /// The client is sent this batch.
    pub(crate) fn sent(&mut self, batch: &Batch) {
        self.told = batch.entries.last().map_or(self.told, |entry| entry.cursor);
        self.cursor = self.cursor.max(batch.cursor);
    }

    /// The cursor, if the client has not been told it: it is then.
    pub(crate) fn tell(&mut self) -> Option<u64> {
        let moved = self.cursor > self.told;
        self.told = self.told.max(self.cursor);
        moved.then_some(self.cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(cursors: &[u64], cursor: u64) -> Batch {
        let entry = |cursor: &u64| Entry { cursor: *cursor, json: Bytes::from_static(b"{}") };
        Batch { entries: cursors.iter().map(entry).collect(), cursor, last: false }
    }

    #[test]
    fn a_cursor_is_told_once_and_only_when_no_event_told_it() {
        let mut position = Position::default();
        assert_eq!(position.tell(), None);
        position.sent(&batch(&[3, 5], 5));
        assert_eq!(position.tell(), None);
        position.sent(&batch(&[7], 9));
        position.sent(&batch(&[], 12));
        assert_eq!((position.tell(), position.tell()), (Some(12), None));
    }

    #[test]
    fn an_event_of_the_feed_is_sent_with_its_cursor_and_as_it_was_stored() {
        let entry = Entry { cursor: 7, json: Bytes::from_static(b"{\"a\": 1}") };
        assert_eq!(FeedSubscription::text(entry.clone()), "{\"cursor\":7,\"event\":{\"a\": 1}}");
        assert_eq!(Subscription::text(entry), "{\"a\": 1}");
    }
}

//! Events as the bytes that are stored and sent.

use bytes::{BufMut, Bytes, BytesMut};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Its number within the task, from 1, without holes.
    pub seq: u64,
    /// The whole event as JSON.
    pub json: Bytes,
}

/// Consecutive events of one task in one piece of memory: what one commit adds, and one row of a log. The events are lines,
/// so an event holds no line feed; JSON that was written without indentation has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventBatch {
    first: u64,
    bytes: Bytes,
    /// Where each event ends.
    ends: Vec<usize>,
}

/// Gathers events.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    first: u64,
    bytes: BytesMut,
    ends: Vec<usize>,
}

impl BatchBuilder {
    /// A batch whose first event has this number.
    pub fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Adds an event that `write` writes.
    pub fn push(&mut self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
        self.bytes.put_u8(b'\n');
    }

    /// Number of the next event.
    pub fn next_seq(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What was gathered; the builder goes on after it.
    pub fn take(&mut self) -> EventBatch {
        let batch = EventBatch {
            first: self.first,
            bytes: self.bytes.split().freeze(),
            ends: std::mem::take(&mut self.ends),
        };
        self.first = batch.next();
        batch
    }
}

impl EventBatch {
    /// A batch as it was stored: events from number `first` on, each ended by a line feed.
    pub fn from_stored(first: u64, bytes: Bytes) -> Self {
        let ends = memchr::memchr_iter(b'\n', &bytes).collect();
        Self { first, bytes, ends }
    }

    /// The events of a stored batch from number `from` on, for as long as each is taken by its length, and whether all were. No more
    /// than that is copied.
    pub(crate) fn copy_part(
        first: u64,
        stored: &[u8],
        from: u64,
        mut takes: impl FnMut(usize) -> bool,
    ) -> (Self, bool) {
        let skipped = from.saturating_sub(first);
        let mut lines = memchr::memchr_iter(b'\n', stored);
        let start = match usize::try_from(skipped).unwrap_or(usize::MAX).checked_sub(1) {
            Some(last_skipped) => lines.nth(last_skipped).map_or(stored.len(), |end| end + 1),
            None => 0,
        };
        let (mut next, mut ends, mut are_all) = (start, Vec::new(), true);
        for end in lines {
            are_all = takes(end - next);
            if !are_all {
                break;
            }
            ends.push(end - start);
            next = end + 1;
        }
        let bytes = Bytes::copy_from_slice(stored.get(start..next).unwrap_or_default());
        (Self { first: first.saturating_add(skipped), bytes, ends }, are_all)
    }

    /// As it is stored.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Number of the first event.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number of the event after the last.
    pub fn next(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The event at a place, from 0.
    pub fn get(&self, place: usize) -> Option<EncodedEvent> {
        let end = *self.ends.get(place)?;
        let start = if place == 0 { 0 } else { self.ends.get(place - 1)? + 1 };
        Some(EncodedEvent { seq: self.first + place as u64, json: self.bytes.slice(start..end) })
    }

    /// The events with a number above `after`.
    pub fn after(&self, after: u64) -> impl Iterator<Item = EncodedEvent> {
        let start = usize::try_from(after.saturating_add(1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        (start..self.ends.len()).filter_map(|place| self.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u64, texts: &[&str]) -> EventBatch {
        let mut builder = BatchBuilder::new(first);
        for text in texts {
            builder.push(|bytes| bytes.put_slice(text.as_bytes()));
        }
        builder.take()
    }

    #[test]
    fn a_batch_reads_back_as_it_was_written() {
        let written = batch(7, &["{\"a\":1}", "{}", "{\"b\":2}"]);
        let read = EventBatch::from_stored(7, written.bytes().clone());
        assert_eq!(read, written);
        assert_eq!((read.first(), read.next(), read.len()), (7, 10, 3));
        let events: Vec<_> = read.after(7).map(|event| (event.seq, event.json)).collect();
        assert_eq!(events, [(8, Bytes::from("{}")), (9, Bytes::from("{\"b\":2}"))]);
        assert_eq!(read.after(u64::MAX - 1).count(), 0);
        assert_eq!(read.after(0).count(), 3);
    }

    #[test]
    fn a_builder_goes_on_after_what_was_taken() {
        let mut builder = BatchBuilder::new(1);
        builder.push(|bytes| bytes.put_slice(b"{}"));
        assert_eq!((builder.next_seq(), builder.take().next()), (2, 2));
        assert!(builder.is_empty());
        builder.push(|bytes| bytes.put_slice(b"[]"));
        assert_eq!(builder.take().get(0), Some(EncodedEvent { seq: 2, json: Bytes::from("[]") }));
    }
}

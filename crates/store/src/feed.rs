//! The feed of all tasks, as every backend reads it.

use bytes::Bytes;
use domain::{SessionId, TaskId, TaskSpec, TaskStatus};

use crate::{EventBatch, FeedEntry, FeedFilter, FeedPage};

/// Most entries that one read gives, and most that it looks at. The last batch comes whole.
const PAGE_ENTRIES: usize = 512;
const PAGE_LOOKED_AT: usize = 16 * 1024;
/// Bytes after which a page takes no more.
const PAGE_BYTES: usize = 1024 * 1024;

impl FeedFilter {
    /// Whether entries of such a task are wanted.
    pub fn admits(&self, spec: &TaskSpec, session: &SessionId, status: TaskStatus) -> bool {
        let wants = |task: &TaskId| *task == spec.task_id;
        self.principal.as_ref().is_none_or(|principal| *principal == spec.principal)
            && self.task.as_ref().is_none_or(wants)
            && self.session.as_ref().is_none_or(|wanted| wanted == session)
            && self.workspace.as_ref().is_none_or(|workspace| *workspace == spec.workspace)
            && (self.statuses.is_empty() || self.statuses.contains(&status))
    }
}

/// Gathers a page of the feed.
#[derive(Debug)]
pub struct FeedBuilder {
    after: u64,
    page: FeedPage,
    looked_at: usize,
    bytes: usize,
}

impl FeedBuilder {
    /// A page after a cursor.
    pub fn new(after: u64) -> Self {
        Self { after, page: FeedPage { entries: Vec::new(), cursor: after }, looked_at: 0, bytes: 0 }
    }

    /// Whether no more fits in.
    pub fn is_full(&self) -> bool {
        self.page.entries.len() >= PAGE_ENTRIES
            || self.looked_at >= PAGE_LOOKED_AT
            || self.bytes >= PAGE_BYTES
    }

    /// Passes over events, or a notice, that are not wanted.
    pub fn skip(&mut self, last: u64, entries: usize) {
        self.looked_at += entries;
        self.page.cursor = last;
    }

    /// Takes events whose last has that place.
    pub fn events(&mut self, last: u64, events: &EventBatch) {
        let first = (last + 1).saturating_sub(events.len() as u64);
        self.skip(last, events.len());
        self.bytes += events.bytes().len();
        let places = (first..=last).zip(0..events.len()).filter(|(position, _)| *position > self.after);
        let entries = places
            .filter_map(|(position, place)| Some(FeedEntry { position, json: events.get(place)?.json }));
        self.page.entries.extend(entries);
    }

    /// Takes a notice.
    pub fn notice(&mut self, position: u64, json: Bytes) {
        self.skip(position, 1);
        self.bytes += json.len();
        self.page.entries.push(FeedEntry { position, json });
    }

    /// The page.
    pub fn finish(self) -> FeedPage {
        self.page
    }
}

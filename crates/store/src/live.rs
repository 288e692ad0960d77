//! What readers of open tasks share: wake-ups, and the latest events as they were committed. A reader that follows reads
//! from here; one that is behind reads from the backend's tables.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use domain::TaskId;
use tokio::sync::watch;

use crate::core::News;
use crate::{EncodedEvent, EventBatch, LogPage, Signal};

/// Most events and bytes that one read gives: enough to fill a socket, not enough to fill memory.
const PAGE_EVENTS: usize = 512;
const PAGE_BYTES: usize = 256 * 1024;
/// Bytes of a task's latest events that are kept here.
const RECENT_BYTES: usize = 256 * 1024;

#[derive(Debug)]
struct LiveTask {
    signal: watch::Sender<Signal>,
    recent: RwLock<Recent>,
}

impl LiveTask {
    fn new(signal: Signal) -> Arc<Self> {
        Arc::new(Self { signal: watch::Sender::new(signal), recent: RwLock::default() })
    }
}

#[derive(Debug, Default)]
struct Recent {
    batches: VecDeque<Arc<EventBatch>>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, batch: Arc<EventBatch>) {
        self.bytes += batch.bytes().len();
        self.batches.push_back(batch);
        while self.bytes > RECENT_BYTES && self.batches.len() > 1 {
            self.bytes -= self.batches.pop_front().map_or(0, |batch| batch.bytes().len());
        }
    }
}

/// The open tasks, as readers see them.
#[derive(Debug)]
pub struct Live {
    tasks: RwLock<HashMap<TaskId, Arc<LiveTask>>>,
    queue: watch::Sender<u64>,
    feed: watch::Sender<u64>,
}

impl Live {
    /// With the tasks that are open already.
    pub fn new(open: Vec<(TaskId, Signal)>, position: u64) -> Self {
        let tasks = open.into_iter().map(|(task, signal)| (task, LiveTask::new(signal))).collect();
        Self { tasks: RwLock::new(tasks), queue: watch::Sender::new(0), feed: watch::Sender::new(position) }
    }

    /// Tells what is durable now.
    pub fn publish(&self, news: News) {
        for news in news.tasks {
            let task = self.find(&news.task).unwrap_or_else(|| self.add(&news.task));
            if let Some(events) = news.events {
                task.recent.write().unwrap_or_else(PoisonError::into_inner).push(events);
            }
            task.signal.send_replace(news.signal);
            if news.signal.ended {
                // Whoever has not read it yet finds it in the tables.
                self.tasks.write().unwrap_or_else(PoisonError::into_inner).remove(&news.task);
            }
        }
        self.advance(news.position);
        if news.queue {
            self.queue.send_modify(|changes| *changes = changes.wrapping_add(1));
        }
    }

    /// Begins anew after the backend had to read everything again, when it is not known what of the last commands was kept:
    /// what was not told must leave no hole. `tail` tells where a task that is no longer open ended.
    pub fn resync(
        &self,
        open: Vec<(TaskId, Signal)>,
        position: u64,
        mut tail: impl FnMut(&TaskId) -> Option<u64>,
    ) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *tasks);
        for (task, signal) in open {
            let live = gone.remove(&task).unwrap_or_else(|| LiveTask::new(signal));
            *live.recent.write().unwrap_or_else(PoisonError::into_inner) = Recent::default();
            live.signal.send_if_modified(|known| std::mem::replace(known, signal) != signal);
            tasks.insert(task, live);
        }
        for (task, live) in gone {
            let tail = tail(&task);
            live.signal.send_modify(|known| {
                *known = Signal { tail: tail.unwrap_or(known.tail), ended: true, ..*known };
            });
        }
        self.advance(position);
        self.queue.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn advance(&self, position: u64) {
        self.feed.send_if_modified(|known| {
            let further = position > *known;
            *known = position.max(*known);
            further
        });
    }

    fn add(&self, task: &TaskId) -> Arc<LiveTask> {
        let live = LiveTask::new(Signal::default());
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tasks.entry(task.clone()).or_insert(live))
    }

    fn find(&self, task: &TaskId) -> Option<Arc<LiveTask>> {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner).get(task).cloned()
    }

    /// The next page of an open task, when its latest events reach back to the cursor.
    pub fn read(&self, task: &TaskId, after: u64) -> Option<LogPage> {
        let task = self.find(task)?;
        let recent = task.recent.read().unwrap_or_else(PoisonError::into_inner);
        let signal = *task.signal.borrow();
        let reaches_back = match recent.batches.front() {
            Some(first) => after.saturating_add(1) >= first.first(),
            None => after >= signal.tail,
        };
        reaches_back.then(|| page(recent.batches.iter().map(AsRef::as_ref), after, signal))
    }

    /// Wake-ups of an open task.
    pub fn watch(&self, task: &TaskId) -> Option<watch::Receiver<Signal>> {
        self.find(task).map(|task| task.signal.subscribe())
    }

    /// Wake-ups of the queue.
    pub fn watch_queue(&self) -> watch::Receiver<u64> {
        self.queue.subscribe()
    }

    /// Wake-ups of the feed.
    pub fn watch_feed(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }
}

/// Wake-ups of a task that will not change any more.
pub fn settled(tail: u64) -> watch::Receiver<Signal> {
    watch::Sender::new(Signal { tail, ended: true, interrupt_requested: false }).subscribe()
}

/// A page of a log whose batches are given in order, up to where `signal` says that it goes.
pub fn page<'a>(batches: impl Iterator<Item = &'a EventBatch>, after: u64, signal: Signal) -> LogPage {
    let mut page = LogBuilder::new(after);
    for batch in batches.skip_while(|batch| batch.next() <= after.saturating_add(1)) {
        if !page.push(batch) {
            break;
        }
    }
    page.finish(signal)
}

/// How much of a page is taken.
#[derive(Debug, Default)]
struct Taken {
    events: usize,
    bytes: usize,
}

impl Taken {
    /// Takes an event of that length, if it fits in; the first one does.
    fn takes(&mut self, length: usize) -> bool {
        let bytes = self.bytes + length;
        let fits = self.events < PAGE_EVENTS && (bytes <= PAGE_BYTES || self.events == 0);
        if fits {
            *self = Self { events: self.events + 1, bytes };
        }
        fits
    }

    fn leaves_room(&self) -> bool {
        self.events < PAGE_EVENTS && self.bytes <= PAGE_BYTES
    }
}

/// Gathers a page of a log from batches as they come.
#[derive(Debug)]
pub struct LogBuilder {
    after: u64,
    events: Vec<EncodedEvent>,
    taken: Taken,
}

impl LogBuilder {
    /// A page after a cursor.
    pub fn new(after: u64) -> Self {
        Self { after, events: Vec::new(), taken: Taken::default() }
    }

    /// Takes of the next batch what fits in; tells whether more may.
    pub fn push(&mut self, batch: &EventBatch) -> bool {
        for event in batch.after(self.after) {
            if !self.taken.takes(event.json.len()) {
                return false;
            }
            self.events.push(event);
        }
        self.taken.leaves_room()
    }

    /// As [`Self::push`], from where the backend has read the batch. Only what is taken is copied: many slow readers hold their pages,
    /// and a page must not hold a batch that is many times as large.
    pub fn push_stored(&mut self, first: u64, stored: &[u8]) -> bool {
        let (taken, from) = (&mut self.taken, self.after.saturating_add(1));
        let (part, is_whole) = EventBatch::copy_part(first, stored, from, |length| taken.takes(length));
        self.events.extend(part.after(self.after));
        is_whole && self.taken.leaves_room()
    }

    /// The page, of a log that goes as far as `signal` says.
    pub fn finish(self, signal: Signal) -> LogPage {
        let last = self.events.last().map_or(self.after.min(signal.tail), |event| event.seq);
        LogPage { events: self.events, complete: signal.ended && last == signal.tail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchBuilder;
    use crate::core::TaskNews;

    fn id(text: &str) -> TaskId {
        TaskId::parse(text).expect("valid")
    }

    fn signal(tail: u64) -> Signal {
        Signal { tail, ..Signal::default() }
    }

    fn news(task: &str, seq: u64) -> News {
        let mut events = BatchBuilder::new(seq);
        events.push(|bytes| bytes.extend_from_slice(b"{}"));
        let events = Some(Arc::new(events.take()));
        News {
            tasks: vec![TaskNews { task: id(task), signal: signal(seq), events }],
            queue: false,
            position: seq,
        }
    }

    #[test]
    fn what_was_never_told_leaves_no_hole() {
        let live = Live::new(vec![(id("open"), signal(0)), (id("ended"), signal(0))], 0);
        live.publish(news("open", 1));
        let (open, ended) = (live.watch(&id("open")).expect("open"), live.watch(&id("ended")).expect("open"));
        // Event 2 was committed and nobody was told.
        live.resync(vec![(id("open"), signal(2)), (id("new"), signal(0))], 2, |task| {
            (*task == id("ended")).then_some(7)
        });
        assert_eq!(
            (*open.borrow(), *ended.borrow()),
            (signal(2), Signal { tail: 7, ended: true, ..signal(0) })
        );
        assert_eq!(
            (live.read(&id("open"), 1), live.read(&id("ended"), 0)),
            (None, None),
            "the tables have it"
        );
        assert!(live.watch(&id("new")).is_some() && live.watch(&id("ended")).is_none());
        live.publish(news("open", 3));
        assert_eq!(live.read(&id("open"), 1), None);
        let page = live.read(&id("open"), 2).expect("recent");
        assert_eq!(page.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_page_of_stored_batches_is_that_of_the_batches() {
        let mut builder = BatchBuilder::new(1);
        let mut batches = Vec::new();
        for sizes in [vec![0, 10, 3], vec![200_000, 60_000, 60_000, 300_000, 5], vec![1; 700], vec![7]] {
            for size in sizes {
                builder.push(|bytes| bytes.extend_from_slice(&vec![b'x'; size]));
            }
            batches.push(builder.take());
        }
        let end = Signal { ended: true, ..signal(builder.next_seq() - 1) };
        for after in (0..=end.tail + 1).chain([u64::MAX]) {
            let (mut stored, expected) = (LogBuilder::new(after), page(batches.iter(), after, end));
            let mut left = batches.iter().skip_while(|batch| batch.next() <= after.saturating_add(1));
            while left.next().is_some_and(|batch| stored.push_stored(batch.first(), batch.bytes())) {}
            assert_eq!(stored.finish(end), expected, "after {after}");
        }
    }

    #[test]
    fn the_feed_never_goes_back() {
        let live = Live::new(vec![], 5);
        live.publish(News { position: 4, ..News::default() });
        assert_eq!(*live.watch_feed().borrow(), 5);
        live.resync(vec![], 3, |_| None);
        assert_eq!(*live.watch_feed().borrow(), 5);
    }
}

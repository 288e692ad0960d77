//! What the readers of this server share: wake-ups, and the latest events of the tasks that they follow, so that many who follow
//! one task read Redis once. Only tasks that somebody watches are here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use domain::TaskId;
use store::{EventBatch, LogPage, Signal, page};
use tokio::sync::watch;

use crate::news::News;

/// Bytes of a task's latest events that are kept here.
const RECENT_BYTES: usize = 256 * 1024;
/// Bytes of a task's earlier events that are kept here for others who are behind.
const EARLIER_BYTES: usize = 1024 * 1024;
/// How often a task that has ended is left when it is tidied up: for two seconds.
const KEPT_FOR: u32 = 10;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is ever half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The latest events of a task, without a hole.
#[derive(Debug, Default)]
struct Recent {
    batches: VecDeque<Arc<EventBatch>>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, batch: Arc<EventBatch>) {
        if let Some(last) = self.batches.back() {
            if batch.next() <= last.next() {
                return;
            }
            if batch.first() != last.next() {
                *self = Self::default();
            }
        }
        self.bytes += batch.bytes().len();
        self.batches.push_back(batch);
        while self.bytes > RECENT_BYTES && self.batches.len() > 1 {
            self.bytes -= self.batches.pop_front().map_or(0, |batch| batch.bytes().len());
        }
    }
}

/// Earlier events of a task that somebody has read: those who are as far behind find them here. There may be holes.
#[derive(Debug, Default)]
struct Earlier {
    batches: BTreeMap<u64, Arc<EventBatch>>,
    bytes: usize,
    is_used: bool,
}

impl Earlier {
    fn keep(&mut self, batch: &Arc<EventBatch>) {
        self.is_used = true;
        self.bytes += batch.bytes().len();
        if let Some(replaced) = self.batches.insert(batch.first(), Arc::clone(batch)) {
            self.bytes -= replaced.bytes().len();
        }
        while self.bytes > EARLIER_BYTES {
            // What lies before the last that was read is needed least, for readers go forward; then what lies furthest ahead.
            let is_first = self.batches.first_key_value().is_some_and(|(first, _)| *first == batch.first());
            let dropped = if is_first { self.batches.pop_last() } else { self.batches.pop_first() };
            let Some((_, dropped)) = dropped else { return };
            self.bytes -= dropped.bytes().len();
        }
    }

    fn read(&mut self, after: u64, signal: Signal) -> Option<LogPage> {
        let (first, batch) = self.batches.range(..=after.saturating_add(1)).next_back()?;
        if batch.next() <= after.saturating_add(1) {
            return None;
        }
        self.is_used = true;
        let mut next = *first;
        let without_hole = self.batches.range(*first..).map_while(|(first, batch)| {
            let follows = *first == next;
            next = batch.next();
            follows.then_some(&**batch)
        });
        Some(page(without_hole, after, signal))
    }

    /// Lets go of all of it when nobody has needed it since the last time.
    fn tidy(&mut self) {
        if !std::mem::take(&mut self.is_used) {
            *self = Self::default();
        }
    }
}

/// A task that somebody watches.
#[derive(Debug)]
pub(crate) struct Followed {
    signal: watch::Sender<Signal>,
    /// Whether the signal says anything yet: before that nobody here knows whether there is more to read.
    is_told: AtomicBool,
    /// The task's number, once it was looked up: another task may have its name.
    number: OnceLock<u64>,
    recent: Mutex<Recent>,
    earlier: Mutex<Earlier>,
    /// One reads for all.
    pub(crate) fetching: tokio::sync::Mutex<()>,
    /// How often it was left when it had ended.
    tidied: AtomicU32,
}

impl Followed {
    fn new() -> Arc<Self> {
        let signal = watch::Sender::new(Signal::default());
        let (is_told, number, recent, earlier, fetching, tidied) = Default::default();
        Arc::new(Self { signal, is_told, number, recent, earlier, fetching, tidied })
    }

    /// Whether it follows the task that has that number and is there.
    pub(crate) fn is_of(&self, number: u64, signal: Signal) -> bool {
        // One that had ended before, and has not now, is another one.
        *self.number.get_or_init(|| number) == number && (signal.ended || !self.signal.borrow().ended)
    }

    /// Tells where the task is. What comes late says nothing new: a tail never goes back.
    pub(crate) fn tell(&self, signal: Signal) {
        self.signal.send_if_modified(|known| {
            let next = Signal {
                tail: known.tail.max(signal.tail),
                ended: known.ended || signal.ended,
                interrupt_requested: known.interrupt_requested || signal.interrupt_requested,
            };
            std::mem::replace(known, next) != next
        });
        self.is_told.store(true, Ordering::Release);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Signal> {
        self.signal.subscribe()
    }

    pub(crate) fn keep(&self, batch: Arc<EventBatch>) {
        lock(&self.recent).push(batch);
    }

    /// Keeps what one reader has read, for the others if there are any.
    pub(crate) fn share(&self, batches: &[Arc<EventBatch>]) {
        batches.iter().for_each(|batch| self.keep(Arc::clone(batch)));
        // One may be the task's worker.
        if self.signal.receiver_count() > 2 {
            let mut earlier = lock(&self.earlier);
            batches.iter().for_each(|batch| earlier.keep(batch));
        }
    }

    /// Lets go of all events: what was committed may not have been kept.
    fn distrust(&self) {
        *lock(&self.recent) = Recent::default();
        *lock(&self.earlier) = Earlier::default();
    }

    /// The next page, when it is here, or when there is none yet.
    pub(crate) fn read(&self, after: u64) -> Option<LogPage> {
        if !self.is_told.load(Ordering::Acquire) {
            return None;
        }
        let recent = lock(&self.recent);
        let signal = *self.signal.borrow();
        if after >= signal.tail {
            return Some(page(std::iter::empty(), after, signal));
        }
        if let (Some(first), Some(last)) = (recent.batches.front(), recent.batches.back())
            // Events that are here and not told of yet are committed all the same.
            && (first.first()..last.next()).contains(&(after + 1))
        {
            return Some(page(recent.batches.iter().map(AsRef::as_ref), after, signal));
        }
        drop(recent);
        lock(&self.earlier).read(after, signal)
    }
}

/// Which messages have come.
#[derive(Debug, Default)]
struct Heard {
    last: u64,
    /// Those of this server's own commits, which were told before they came.
    told: BTreeSet<u64>,
}

/// Everything that readers of this server share.
#[derive(Debug)]
pub(crate) struct Live {
    tasks: Mutex<HashMap<TaskId, Arc<Followed>>>,
    queue: watch::Sender<u64>,
    feed: watch::Sender<u64>,
    take_over: watch::Sender<u64>,
    mail: watch::Sender<u64>,
    heard: Mutex<Heard>,
}

impl Live {
    pub(crate) fn new(position: u64) -> Self {
        Self {
            tasks: Mutex::default(),
            queue: watch::Sender::new(0),
            feed: watch::Sender::new(position),
            take_over: watch::Sender::new(0),
            mail: watch::Sender::new(0),
            heard: Mutex::default(),
        }
    }

    pub(crate) fn find(&self, task: &TaskId) -> Option<Arc<Followed>> {
        lock(&self.tasks).get(task).cloned()
    }

    /// Begins to follow a task. Where it is has to be looked up afterwards, so that nothing falls in between.
    pub(crate) fn follow(&self, task: &TaskId) -> Arc<Followed> {
        Arc::clone(lock(&self.tasks).entry(task.clone()).or_insert_with(Followed::new))
    }

    /// Lets go of what follows another task of that name.
    pub(crate) fn leave(&self, task: &TaskId, followed: &Arc<Followed>) {
        let mut tasks = lock(&self.tasks);
        if tasks.get(task).is_some_and(|known| Arc::ptr_eq(known, followed)) {
            tasks.remove(task);
        }
    }

    /// Forgets a task that is no more.
    pub(crate) fn forget(&self, task: &TaskId) {
        lock(&self.tasks).remove(task);
    }

    /// Forgets what nobody watches any more, and what has ended. That stays for some times, so that those who follow it share its
    /// end too, and not for long: another task may get its name.
    pub(crate) fn tidy(&self) {
        lock(&self.tasks).retain(|_, followed| {
            lock(&followed.earlier).tidy();
            // A task that is just being looked up has no receiver yet, and another holder.
            let is_watched = followed.signal.receiver_count() > 0 || Arc::strong_count(followed) > 1;
            let has_ended = followed.signal.borrow().ended;
            is_watched && !(has_ended && followed.tidied.fetch_add(1, Ordering::Relaxed) >= KEPT_FOR)
        });
    }

    /// Lets go of all events: Redis has lost some, and their numbers are given out again, as are places of the feed after this one.
    pub(crate) fn distrust(&self, position: u64) {
        lock(&self.tasks).values().for_each(|followed| followed.distrust());
        self.feed.send_replace(position);
    }

    /// All tasks that are followed.
    pub(crate) fn followed(&self) -> Vec<TaskId> {
        lock(&self.tasks).keys().cloned().collect()
    }

    /// Tells of a commit of this server, before whoever asked for it is answered.
    pub(crate) fn committed(&self, news: &News, events: Option<(&TaskId, EventBatch)>) {
        if let Some((task, events)) = events
            && let Some(followed) = self.find(task)
        {
            followed.keep(Arc::new(events));
        }
        let mut heard = lock(&self.heard);
        if news.number > heard.last {
            heard.told.insert(news.number);
        }
        drop(heard);
        self.apply(news);
    }

    /// Takes a message that was sent to all; says whether one before it was lost.
    pub(crate) fn hear(&self, news: &News) -> bool {
        let mut heard = lock(&self.heard);
        let (is_told, is_lost) = (heard.told.remove(&news.number), news.number > heard.last + 1);
        heard.last = heard.last.max(news.number);
        drop(heard);
        if !is_told {
            self.apply(news);
        }
        is_lost
    }

    /// How far the messages are that have come.
    pub(crate) fn last_heard(&self) -> u64 {
        lock(&self.heard).last
    }

    /// Begins to count anew after everything was looked up.
    pub(crate) fn caught_up(&self, number: u64, position: u64) {
        *lock(&self.heard) = Heard { last: number, told: BTreeSet::new() };
        self.advance(position);
        self.wake_queue();
        self.wake_take_over();
        self.wake_mail();
    }

    pub(crate) fn apply_signal(&self, task: &TaskId, signal: Signal) {
        if let Some(followed) = self.find(task) {
            followed.tell(signal);
        }
    }

    /// Tells where the task of that number is. Is it another one that has the name by now, then the one that is followed is no more.
    pub(crate) fn apply_standing(&self, task: &TaskId, number: u64, signal: Signal) {
        let Some(followed) = self.find(task) else { return };
        if followed.is_of(number, signal) {
            followed.tell(signal);
        } else {
            self.apply_end(task);
            self.leave(task, &followed);
        }
    }

    /// A task is no more: for those who were told where it was, it has ended there.
    pub(crate) fn apply_end(&self, task: &TaskId) {
        if let Some(followed) = self.find(task)
            && followed.is_told.load(Ordering::Acquire)
        {
            followed.tell(Signal { ended: true, ..Signal::default() });
        }
    }

    fn apply(&self, news: &News) {
        for (task, signal) in &news.tasks {
            self.apply_signal(task, *signal);
        }
        self.advance(news.position);
        if news.queue {
            self.wake_queue();
        }
        if news.take_over {
            self.wake_take_over();
        }
        if news.mail {
            self.wake_mail();
        }
    }

    fn advance(&self, position: u64) {
        self.feed.send_if_modified(|known| {
            let further = position > *known;
            *known = position.max(*known);
            further
        });
    }

    fn wake_queue(&self) {
        self.queue.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    pub(crate) fn wake_take_over(&self) {
        self.take_over.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn wake_mail(&self) {
        self.mail.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    pub(crate) fn watch_mail(&self) -> watch::Receiver<u64> {
        self.mail.subscribe()
    }

    pub(crate) fn watch_queue(&self) -> watch::Receiver<u64> {
        self.queue.subscribe()
    }

    pub(crate) fn watch_feed(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }

    pub(crate) fn watch_take_over(&self) -> watch::Receiver<u64> {
        self.take_over.subscribe()
    }
}

#[cfg(test)]
mod tests;

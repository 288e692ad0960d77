//! Keeps everything in memory: fast, and gone with the process.

mod tables;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::{Answer, Priority, QuestionId, SessionId, TaskId, Timestamp};
use tokio::sync::watch;

use self::tables::MemoryTables;
#[cfg(any(test, feature = "conformance"))]
use crate::conformance::FailurePoint;
use crate::core::{Core, CoreSettings};
use crate::live::{Live, page, settled};
use crate::tables::{Counters, Tables};
use crate::{
    AnswerError, Append, ChangeError, Claim, Claimed, CommitError, Counts, CreateSession, CreateSessionError,
    DeleteError, DeleteTaskError, DeletedSession, Doomed, Dropped, EndedPlace, FeedFilter, FeedPage, Finish,
    InterruptError, Interrupted, LogPage, PutBack, Release, Retention, SessionRecord, Signal, Store,
    StoreError, Submit, SubmitError, Submitted, TaskPage, TaskQuery, TaskRecord,
};

/// Beyond this, the oldest ended tasks are dropped at once: memory is scarcer than disk.
pub const KEPT_IN_MEMORY: Retention =
    Retention { max_tasks: 10_000, max_bytes: 512 * 1024 * 1024, ..Retention::ALL };
/// Places of the feed that a life has for each millisecond: more than are used, and so few that places stay below 2^53 for two centuries,
/// beyond which readers of JSON may round numbers.
const PLACES_A_MILLISECOND: u64 = 1024;
/// Tasks that one end may push out.
const DROPPED_AT_ONCE: usize = 16;

/// The memory backend.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
    live: Live,
    kept: Retention,
    #[cfg(any(test, feature = "conformance"))]
    failure: Mutex<Option<FailurePoint>>,
    #[cfg(any(test, feature = "conformance"))]
    plays_durable: bool,
}

#[derive(Debug)]
struct Inner {
    core: Core<MemoryTables>,
    /// What was pushed out and nobody was told of yet, and where to look on for more.
    dropped: Dropped,
}

impl Inner {
    /// Drops what is beyond that, as if it had been asked for all along.
    fn push_out(&mut self, kept: &Retention, now: Timestamp) -> Result<(), StoreError> {
        let after = self.dropped.next.take();
        let dropped = self.core.drop_beyond(kept, now, after, DROPPED_AT_ONCE)?;
        self.dropped.tasks += dropped.tasks;
        self.dropped.sessions.extend(dropped.sessions);
        self.dropped.next = dropped.next;
        Ok(())
    }
}

impl MemoryStore {
    /// An empty store that keeps at most that much.
    pub fn new(settings: CoreSettings, kept: Retention) -> Self {
        Self::begun_at(Timestamp::from_millis(0), settings, kept)
    }

    /// As [`Self::new`], in a life that begins now. Its entries of the feed stand behind those of all lives before it, so that whoever
    /// has a cursor of one of those gets everything.
    pub fn begun_at(now: Timestamp, settings: CoreSettings, kept: Retention) -> Self {
        let position = u64::try_from(now.millis()).unwrap_or_default().saturating_mul(PLACES_A_MILLISECOND);
        let counters = Counters { opened: 1, position, ..Counters::default() };
        Self::with(Core::empty(MemoryTables::new(counters), settings, counters, 0), kept)
    }

    fn with(core: Core<MemoryTables>, kept: Retention) -> Self {
        Self {
            live: Live::new(core.open_tasks(), core.position()),
            inner: Mutex::new(Inner { core, dropped: Dropped::default() }),
            kept,
            #[cfg(any(test, feature = "conformance"))]
            failure: Mutex::default(),
            #[cfg(any(test, feature = "conformance"))]
            plays_durable: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A command validates before it changes anything, so a panic leaves no half of one behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One command: carried out, then told to the readers.
    fn commit<R, E: From<StoreError>>(
        &self,
        command: impl FnOnce(&mut Inner) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut inner = self.lock();
        #[cfg(any(test, feature = "conformance"))]
        self.fail_at(FailurePoint::BeforeCommit)?;
        let result = command(&mut inner);
        // Published in the order of the commits, so still under the lock.
        self.live.publish(inner.core.take_news());
        #[cfg(any(test, feature = "conformance"))]
        self.fail_at(FailurePoint::AfterCommit)?;
        result
    }
}

/// What only tests do.
#[cfg(any(test, feature = "conformance"))]
impl MemoryStore {
    /// Lets the next commit fail at that point.
    pub fn fail_next_commit(&self, point: FailurePoint) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(point);
    }

    fn fail_at(&self, point: FailurePoint) -> Result<(), StoreError> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if *failure != Some(point) {
            return Ok(());
        }
        *failure = None;
        Err(StoreError(format!("a test lets it fail {point:?}")))
    }

    /// A store that says of itself that it is durable, for simulated crashes.
    pub fn playing_durable(settings: CoreSettings) -> Self {
        Self { plays_durable: true, ..Self::new(settings, Retention::ALL) }
    }

    /// What a durable store has after its process died and another one opened it. The old one is left with nothing.
    ///
    /// # Errors
    /// Memory does not fail.
    pub fn reopened(&self) -> Result<Self, StoreError> {
        let mut inner = self.lock();
        let tables = inner.core.tables().take();
        let settings = inner.core.settings();
        let plays_durable = self.plays_durable;
        Ok(Self { plays_durable, ..Self::with(Core::open(tables, settings)?, self.kept) })
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(CoreSettings::default(), KEPT_IN_MEMORY)
    }
}

#[async_trait]
impl Store for MemoryStore {
    #[cfg(not(any(test, feature = "conformance")))]
    fn is_durable(&self) -> bool {
        false
    }

    #[cfg(any(test, feature = "conformance"))]
    fn is_durable(&self) -> bool {
        self.plays_durable
    }

    async fn submit(&self, command: Submit) -> Result<Submitted, SubmitError> {
        self.commit(|inner| inner.core.submit(command))
    }

    async fn claim(&self, ticket: u64, now: Timestamp) -> Result<Claim, StoreError> {
        self.commit(|inner| inner.core.claim(ticket, now))
    }

    async fn doomed(&self) -> Result<Vec<Doomed>, StoreError> {
        Ok(self.lock().core.doomed())
    }

    async fn take_over(&self, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        self.commit(|inner| inner.core.take_over(now))
    }

    async fn append(&self, command: Append) -> Result<(), CommitError> {
        self.commit(|inner| inner.core.append(command))
    }

    async fn finish(&self, command: Finish) -> Result<(), CommitError> {
        let now = command.now;
        self.commit(|inner| {
            inner.core.finish(command)?;
            inner.push_out(&self.kept, now)?;
            Ok(())
        })
    }

    async fn put_back(&self, command: PutBack) -> Result<(), CommitError> {
        self.commit(|inner| inner.core.put_back(command))
    }

    async fn release(&self, command: Release) -> Result<(), StoreError> {
        self.commit(|inner| inner.core.release(&command))
    }

    async fn request_interrupt(&self, task: &TaskId, now: Timestamp) -> Result<Interrupted, InterruptError> {
        self.commit(|inner| inner.core.request_interrupt(task, now))
    }

    async fn answer(
        &self,
        task: &TaskId,
        question: QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<TaskRecord, AnswerError> {
        self.commit(|inner| inner.core.answer(task, question, answer, now))
    }

    async fn set_priority(
        &self,
        task: &TaskId,
        priority: Priority,
        now: Timestamp,
    ) -> Result<TaskRecord, ChangeError> {
        self.commit(|inner| inner.core.set_priority(task, priority, now))
    }

    async fn delete_task(&self, task: &TaskId) -> Result<(), DeleteTaskError> {
        self.commit(|inner| inner.core.delete_task(task))
    }

    async fn create_session(&self, command: CreateSession) -> Result<SessionRecord, CreateSessionError> {
        self.commit(|inner| inner.core.create_session(command).map(SessionRecord::from))
    }

    async fn delete_session(&self, session: &SessionId) -> Result<DeletedSession, DeleteError> {
        self.commit(|inner| inner.core.delete_session(session))
    }

    async fn drop_beyond(
        &self,
        retention: &Retention,
        now: Timestamp,
        after: Option<EndedPlace>,
        most: usize,
    ) -> Result<Dropped, StoreError> {
        self.commit(|inner| {
            let mut dropped = inner.core.drop_beyond(retention, now, after, most)?;
            dropped.tasks += std::mem::take(&mut inner.dropped.tasks);
            dropped.sessions.append(&mut inner.dropped.sessions);
            Ok(dropped)
        })
    }

    async fn task(&self, task: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        self.lock().core.task(task)
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, StoreError> {
        Ok(self.lock().core.tables().list(query))
    }

    async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError> {
        Ok(self.lock().core.open_tasks().into_iter().map(|(task, _)| task).collect())
    }

    async fn tasks_ahead(&self, task: &TaskId) -> Result<Option<usize>, StoreError> {
        Ok(self.lock().core.tasks_ahead(task))
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.commit(|_| Ok(()))
    }

    async fn counts(&self, now: Timestamp) -> Result<Counts, StoreError> {
        Ok(self.lock().core.counts(now))
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let sessions = self.lock().core.tables().sessions()?;
        Ok(sessions.into_iter().find(|record| record.id == *session))
    }

    async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.lock().core.tables().sessions()
    }

    async fn read(&self, task: &TaskId, after: u64) -> Result<Option<LogPage>, StoreError> {
        if let Some(page) = self.live.read(task, after) {
            return Ok(Some(page));
        }
        let mut inner = self.lock();
        Ok(inner.core.tables().log(task).map(|(batches, signal)| page(batches, after, signal)))
    }

    async fn watch(&self, task: &TaskId) -> Result<Option<watch::Receiver<Signal>>, StoreError> {
        if let Some(receiver) = self.live.watch(task) {
            return Ok(Some(receiver));
        }
        Ok(self.lock().core.task(task)?.map(|task| settled(task.tail)))
    }

    fn watch_queue(&self) -> watch::Receiver<u64> {
        self.live.watch_queue()
    }

    async fn read_feed(&self, after: u64, filter: &FeedFilter) -> Result<FeedPage, StoreError> {
        Ok(self.lock().core.tables().feed(after, filter))
    }

    fn watch_feed(&self) -> watch::Receiver<u64> {
        self.live.watch_feed()
    }
}

#[cfg(test)]
mod tests;

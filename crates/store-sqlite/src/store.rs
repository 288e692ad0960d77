//! The store: commands go to the writer, reads to what is shared or to a connection that only reads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use domain::{Answer, Priority, QuestionId, SessionChoice, SessionId, TaskId, Timestamp, WhenBusy};
use store::{
    AnswerError, Append, ChangeError, Claim, Claimed, CommitError, Core, CoreSettings, Counts, CreateSession,
    CreateSessionError, DeleteError, DeleteTaskError, DeletedSession, Doomed, Dropped, EndedPlace,
    FeedFilter, FeedPage, Finish, InterruptError, Interrupted, LogPage, PutBack, Release, Retention,
    SessionRecord, Signal, Store, StoreError, Submit, SubmitError, Submitted, TaskPage, TaskQuery,
    TaskRecord, settled,
};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{oneshot, watch};

use crate::command::{Command, Pending};
use crate::connection::{open_writer, set_up_writer};
use crate::fault::Refusal;
use crate::inbox::{Inbox, closed};
use crate::lock::DatabaseLock;
use crate::open::{self, OpenError};
use crate::readers::Readers;
use crate::seat::Seat;
use crate::tables::SqliteTables;
use crate::wal::{self, Limits, WalCare};
use crate::writer::{self, Published, Writer};
use crate::{listing, reads};

/// Bytes of a command that may be carried out where it is asked for.
pub(crate) const MOST_HERE: usize = 16 * 1024;

/// Tasks that may wait while commands are carried out where they are asked for: some look at all of them.
const MOST_WAITING: usize = 1000;

/// What a command weighs that may take long, whatever it brings.
pub(crate) const LONG: usize = MOST_HERE + 1;

/// When what was committed survives what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// It survives the death of the server at any moment; the last moments before a power loss may be gone.
    #[default]
    Normal,
    /// It survives a power loss too: every commit waits for the disk.
    Full,
}

/// Where the database is, and what holds in it.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The database file. Its folder exists.
    pub path: PathBuf,
    /// How durable a commit is.
    pub sync: Sync,
    /// What holds for every task.
    pub settings: CoreSettings,
}

/// The embedded durable backend: everything in one file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) seat: Arc<Seat>,
    /// Whether a commit is short enough to be done where it is asked for.
    works_here: bool,
    published: Arc<Published>,
    readers: Arc<Readers>,
    threads: Mutex<Option<Threads>>,
    #[cfg(test)]
    pub(crate) failure: Arc<Mutex<Option<store::conformance::FailurePoint>>>,
}

/// What has to end before the lock is given back.
#[derive(Debug)]
struct Threads {
    writer: JoinHandle<()>,
    copier: JoinHandle<()>,
    _lock: DatabaseLock,
}

impl SqliteStore {
    /// Opens a database, or makes it. Blocks for as long as that takes.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let SqliteOptions { path, sync, settings } = options;
        let path = std::path::absolute(&path).map_err(|source| OpenError::Io { path, source })?;
        let lock = DatabaseLock::take(&path).map_err(|error| OpenError::of_lock(&path, error))?;
        let failed = |error: rusqlite::Error| OpenError::of_sqlite(&path, &error);
        let mut connection = open::prepare(&path, sync)?;
        let copying = open_writer(&path).map_err(failed)?;
        set_up_writer(&copying, sync).map_err(failed)?;
        let (care, copier) = wal::care(&mut connection, copying, Limits::USUAL).map_err(failed)?;
        let core = open_core(connection, settings)
            .map_err(|error| OpenError::Storage { path: path.clone(), reason: error.0 })?;
        Self::start(path, sync, core, care, copier, lock)
    }

    fn start(
        path: PathBuf,
        sync: Sync,
        core: Core<SqliteTables>,
        care: WalCare,
        copier: wal::Copier,
        lock: DatabaseLock,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.clone(), source };
        let (inbox, published) = (Arc::new(Inbox::new()), Arc::new(Published::new(&core)));
        let readers = Arc::new(Readers::new(path.clone()));
        let writer =
            Writer::new(core, Arc::clone(&inbox), Arc::clone(&published), Arc::clone(&readers), care);
        #[cfg(test)]
        let failure = Arc::clone(&writer.failure);
        let named = |name: &str| std::thread::Builder::new().name(name.into());
        let copier = named("store-copier").spawn(move || copier.run()).map_err(failed)?;
        let seat = Arc::new(Seat::new(writer));
        let (its_seat, its_inbox) = (Arc::clone(&seat), Arc::clone(&inbox));
        let writer =
            named("store-writer").spawn(move || writer::run(&its_seat, &its_inbox)).map_err(failed)?;
        Ok(Self {
            inbox,
            seat,
            works_here: sync == Sync::Normal,
            published,
            readers,
            threads: Mutex::new(Some(Threads { writer, copier, _lock: lock })),
            #[cfg(test)]
            failure,
        })
    }

    /// Carries out what was asked for already, and gives the database back. Blocks for as long as that takes. Whoever comes
    /// later is told that the store is closed.
    pub fn close(&self) {
        self.inbox.close();
        self.readers.close();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(threads) = threads {
            // A thread that panicked has ended as well.
            drop(threads.writer.join());
            drop(threads.copier.join());
        }
    }

    /// Waits until nothing can be written any more: the store was closed, or its thread has failed.
    pub async fn ended(&self) {
        self.inbox.abandoned().await;
    }

    /// Has a command carried out by the writer; it may be carried out again when its first transaction fails.
    pub(crate) async fn command<R, E>(
        &self,
        weight: usize,
        run: impl Fn(&mut Core<SqliteTables>) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: Refusal,
    {
        let (pending, answer) = Pending::new(weight, run);
        if let Some(command) = self.carry_out_here(weight, Box::new(pending)) {
            self.inbox.send(command).await?;
        }
        answer.await.unwrap_or_else(|_| Err(closed().into()))
    }

    /// Carries a small command out at once when nothing else waits; else gives it back.
    fn carry_out_here(&self, weight: usize, command: Box<dyn Command>) -> Option<Box<dyn Command>> {
        let is_small = weight <= MOST_HERE && self.published.waiting() <= MOST_WAITING;
        if !is_small || !self.works_here || !others_go_on() || !self.inbox.is_quiet() {
            return Some(command);
        }
        let mut left = Some(command);
        self.seat.with_free(|writer| left = left.take().and_then(|command| writer.work_here(command)));
        left
    }

    /// Looks something up where the commands are carried out, between two transactions.
    async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&Core<SqliteTables>) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let unknown =
            || StoreError("the last commit failed, and what it left is not known yet: try again".into());
        let mut question = Some(question);
        if self.published.waiting() <= MOST_WAITING && self.inbox.is_quiet() {
            let core = |writer: &mut Writer| Some(question.take()?(writer.core_if_known()?));
            if let Some(Some(known)) = self.seat.with_free(core) {
                return Ok(known);
            }
        }
        let Some(question) = question else { return Err(unknown()) };
        let (reply, answer) = oneshot::channel();
        self.inbox.ask(Box::new(move |core| drop(reply.send(question(core)))))?;
        answer.await.map_err(|_| if self.inbox.is_closed() { closed() } else { unknown() })
    }
}

/// A submission's, about; what interrupts the other tasks of its session may take long.
pub(crate) fn weight(Submit { spec, .. }: &Submit) -> usize {
    if matches!(spec.session, SessionChoice::Reuse { when_busy: WhenBusy::Interrupt, .. }) {
        return LONG.max(spec.prompt.len());
    }
    let mut size = Size(0);
    // It only counts, and stops when that is enough.
    drop(serde_json::to_writer(&mut size, spec));
    size.0.max(spec.prompt.len())
}

/// Counts bytes, no more than are needed to know that they are many.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        if self.0 > MOST_HERE { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether the runtime goes on while this thread waits for a commit.
fn others_go_on() -> bool {
    Handle::try_current().is_ok_and(|runtime| {
        runtime.runtime_flavor() == RuntimeFlavor::MultiThread && runtime.metrics().num_workers() > 1
    })
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_core(
    connection: rusqlite::Connection,
    settings: CoreSettings,
) -> Result<Core<SqliteTables>, StoreError> {
    let tables = SqliteTables::new(connection);
    tables.begin()?;
    let mut core = Core::open(tables, settings)?;
    core.tables().commit()?;
    Ok(core)
}

#[async_trait]
impl Store for SqliteStore {
    fn is_durable(&self) -> bool {
        true
    }

    async fn submit(&self, command: Submit) -> Result<Submitted, SubmitError> {
        self.command(weight(&command), move |core| core.submit(command.clone())).await
    }

    async fn claim(&self, ticket: u64, now: Timestamp) -> Result<Claim, StoreError> {
        self.command(0, move |core| core.claim(ticket, now)).await
    }

    async fn doomed(&self) -> Result<Vec<Doomed>, StoreError> {
        self.ask(Core::doomed).await
    }

    async fn take_over(&self, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        self.command(LONG, move |core| core.take_over(now)).await
    }

    async fn append(&self, command: Append) -> Result<(), CommitError> {
        self.command(command.events.bytes().len(), move |core| core.append(command.clone())).await
    }

    async fn finish(&self, command: Finish) -> Result<(), CommitError> {
        self.command(command.events.bytes().len(), move |core| core.finish(command.clone())).await
    }

    async fn put_back(&self, command: PutBack) -> Result<(), CommitError> {
        self.command(command.append.events.bytes().len(), move |core| core.put_back(command.clone())).await
    }

    async fn release(&self, command: Release) -> Result<(), StoreError> {
        self.command(0, move |core| core.release(&command)).await
    }

    async fn request_interrupt(&self, task: &TaskId, now: Timestamp) -> Result<Interrupted, InterruptError> {
        let task = task.clone();
        self.command(0, move |core| core.request_interrupt(&task, now)).await
    }

    async fn answer(
        &self,
        task: &TaskId,
        question: QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<TaskRecord, AnswerError> {
        let task = task.clone();
        self.command(LONG, move |core| core.answer(&task, question, answer.clone(), now)).await
    }

    async fn set_priority(
        &self,
        task: &TaskId,
        priority: Priority,
        now: Timestamp,
    ) -> Result<TaskRecord, ChangeError> {
        let task = task.clone();
        self.command(LONG, move |core| core.set_priority(&task, priority, now)).await
    }

    async fn delete_task(&self, task: &TaskId) -> Result<(), DeleteTaskError> {
        let task = task.clone();
        self.command(LONG, move |core| core.delete_task(&task)).await
    }

    async fn create_session(&self, command: CreateSession) -> Result<SessionRecord, CreateSessionError> {
        self.command(0, move |core| core.create_session(command.clone()).map(SessionRecord::from)).await
    }

    async fn delete_session(&self, session: &SessionId) -> Result<DeletedSession, DeleteError> {
        let session = session.clone();
        self.command(0, move |core| core.delete_session(&session)).await
    }

    async fn drop_beyond(
        &self,
        retention: &Retention,
        now: Timestamp,
        after: Option<EndedPlace>,
        most: usize,
    ) -> Result<Dropped, StoreError> {
        let retention = *retention;
        self.command(LONG, move |core| core.drop_beyond(&retention, now, after.clone(), most)).await
    }

    async fn task(&self, task: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        let task = task.clone();
        self.readers.read(move |connection| Ok(reads::task(connection, &task)?.map(|row| row.record))).await
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, StoreError> {
        let query = query.clone();
        self.readers.read(move |connection| listing::page(connection, &query)).await
    }

    async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError> {
        self.ask(|core| core.open_tasks().into_iter().map(|(task, _)| task).collect()).await
    }

    async fn tasks_ahead(&self, task: &TaskId) -> Result<Option<usize>, StoreError> {
        let task = task.clone();
        self.ask(move |core| core.tasks_ahead(&task)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.command(0, |core| core.tables().probe().map_err(StoreError::from)).await
    }

    async fn counts(&self, now: Timestamp) -> Result<Counts, StoreError> {
        match self.published.counts(now) {
            _ if self.inbox.is_closed() => Err(closed()),
            Some(counts) => Ok(counts),
            None => self.ask(move |core| core.counts(now)).await,
        }
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let session = session.clone();
        self.readers.read(move |connection| reads::session(connection, &session)).await
    }

    async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.readers.read(reads::sessions).await
    }

    async fn read(&self, task: &TaskId, after: u64) -> Result<Option<LogPage>, StoreError> {
        if let Some(page) = self.published.live.read(task, after) {
            return Ok(Some(page));
        }
        let task = task.clone();
        self.readers.read(move |connection| reads::log(connection, &task, after)).await
    }

    async fn watch(&self, task: &TaskId) -> Result<Option<watch::Receiver<Signal>>, StoreError> {
        loop {
            if let Some(receiver) = self.published.live.watch(task) {
                return Ok(Some(receiver));
            }
            let id = task.clone();
            match self.readers.read(move |connection| reads::signal(connection, &id)).await? {
                None => return Ok(None),
                Some((_, signal)) if signal.ended => return Ok(Some(settled(signal.tail))),
                // It was committed and is about to be told: that is done before the next question is answered.
                Some(_) => self.ask(|_| ()).await?,
            }
        }
    }

    fn watch_queue(&self) -> watch::Receiver<u64> {
        self.published.live.watch_queue()
    }

    async fn read_feed(&self, after: u64, filter: &FeedFilter) -> Result<FeedPage, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |connection| reads::feed(connection, after, &filter)).await
    }

    fn watch_feed(&self) -> watch::Receiver<u64> {
        self.published.live.watch_feed()
    }
}

//! What the outside can ask of the engine.

mod instances;
mod messages;
mod reach;
mod sessions;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use domain::{Answer, QuestionId, SessionId, TaskId, TaskSpec, TaskStatus, Timestamp};
use store::{
    AnswerError, CommitError, Counts, Doom, Doomed, FeedFilter, InterruptError, Interrupted, SessionRecord,
    StoreError, Submit, SubmitError, Submitted, TaskRecord,
};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub use self::messages::MessageError;
pub(crate) use self::messages::TAKEN_WITHIN;
use self::reach::Reach;
pub(crate) use self::sessions::clear_away;
pub use self::sessions::{DeleteSessionError, InterruptFirst};
pub use self::tasks::TaskList;
use crate::feed::FeedSubscription;
use crate::patience::{Patience, patiently};
use crate::recovery::end_doomed;
use crate::run::Deps;
use crate::settings::Settings;
use crate::subscription::Subscription;
use crate::tempo::Tempo;

/// How long a request waits for an interrupted task to end: 25 ms as a rule, 1.1 s when the agent has to be killed.
const INTERRUPT_WITHIN: Duration = Duration::from_secs(5);

/// A submission that was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefused {
    /// The server is about to stop.
    #[error("the server is about to stop")]
    ShuttingDown,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] SubmitError),
}

/// Why no task can be taken now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The server is about to stop.
    #[error("the server is about to stop")]
    ShuttingDown,
    /// The server was told to drain.
    #[error("the server drains: it is handed nothing more")]
    Draining,
    /// The queue is full.
    #[error("at capacity: {0} tasks wait")]
    AtCapacity(usize),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interruption {
    /// Where the task is now: ended, unless its agent hangs beyond the time of a request.
    pub status: TaskStatus,
    /// When the stop was recorded.
    pub at: Timestamp,
}

/// Where a waiting task stands in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// How many go before it, by priority and age. Fair shares may let others go first, or it before them.
    pub ahead: usize,
    /// When it may start, as far as can be told.
    pub starts_at: Option<Timestamp>,
}

/// A task, and where it stands in the queue if it waits.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// The task, its age up to date.
    pub record: TaskRecord,
    /// Its place in the queue.
    pub queued: Option<Queued>,
}

/// The engine, as the outside sees it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    deps: Arc<Deps>,
    tempo: Arc<Tempo>,
    stopping: CancellationToken,
    reach: Arc<Reach>,
}

impl Handle {
    pub(crate) fn new(deps: Arc<Deps>, tempo: Arc<Tempo>, stopping: CancellationToken) -> Self {
        Self { deps, tempo, stopping, reach: Arc::default() }
    }

    /// Admits a task; when this returns, the task exists whatever dies (in a durable store).
    ///
    /// # Errors
    /// See [`SubmitRefused`].
    pub async fn submit(&self, spec: TaskSpec) -> Result<Submitted, SubmitRefused> {
        if self.stopping.is_cancelled() {
            return Err(SubmitRefused::ShuttingDown);
        }
        let Settings { max_pending, max_agents: max_at_work, .. } = *self.deps.settings;
        let submit = Submit { spec, max_pending, max_at_work, now: self.deps.clock.now() };
        let submitted = self.deps.store.submit(submit).await?;
        if submitted.created {
            let record = &submitted.task;
            let trace_id = record.spec.trace_parent.as_deref().and_then(telemetry::trace_id);
            tracing::info!(
                task_id = %record.spec.task_id,
                session_id = %record.session_id,
                trace_id,
                "task admitted"
            );
        }
        Ok(submitted)
    }

    /// A task, its age up to date.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn task(&self, id: &TaskId) -> Result<Option<TaskView>, StoreError> {
        match self.deps.store.task(id).await? {
            Some(record) => Ok(Some(self.view(record).await?)),
            None => Ok(None),
        }
    }

    /// As [`Self::task`], but a storage that is out of reach for a moment is waited for: it may be another machine.
    ///
    /// # Errors
    /// When the storage goes on failing.
    pub async fn task_patiently(&self, id: &TaskId) -> Result<Option<TaskView>, StoreError> {
        patiently(|| self.task(id)).await
    }

    /// A task as it is told: its age up to date, its place in the queue.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn view(&self, mut record: TaskRecord) -> Result<TaskView, StoreError> {
        let at_work = record.status == TaskStatus::Running && record.waiting.is_none();
        if at_work
            && record.progress.elapsed_ms == 0
            && let Some(started) = record.started_at
        {
            let age = self.deps.clock.now().since(started).as_millis();
            record.progress.elapsed_ms = u64::try_from(age).unwrap_or(u64::MAX);
        } else if at_work {
            let since = self.deps.clock.now().since(record.updated_at).as_millis();
            record.progress.elapsed_ms += u64::try_from(since).unwrap_or(0);
        }
        let queued = self.queued(&record).await?;
        Ok(TaskView { record, queued })
    }

    async fn queued(&self, record: &TaskRecord) -> Result<Option<Queued>, StoreError> {
        if record.status.is_terminal() {
            return Ok(None);
        }
        let Some(ahead) = self.deps.store.tasks_ahead(&record.spec.task_id).await? else { return Ok(None) };
        let now = self.deps.clock.now();
        let wait = self.tempo.wait_behind(ahead, self.deps.settings.max_agents);
        let not_before = record.waiting.map(|waiting| waiting.until).or(record.spec.schedule.start_at);
        let starts_at = match (wait.map(|wait| now.after(wait)), not_before) {
            (Some(turn), Some(not_before)) => Some(turn.max(not_before)),
            (turn, not_before) => turn.or(not_before.filter(|moment| *moment > now)),
        };
        Ok(Some(Queued { ahead, starts_at }))
    }

    /// Stops a task and waits until it has ended.
    ///
    /// # Errors
    /// When there is no such task, it has ended, or the storage fails.
    pub async fn interrupt(&self, id: &TaskId) -> Result<Interruption, InterruptError> {
        loop {
            let at = self.deps.clock.now();
            match self.deps.store.request_interrupt(id, at).await {
                Ok(Interrupted::Running(task)) => {
                    let at = task.interrupt_requested_at.unwrap_or(at);
                    let start = Instant::now();
                    let status = self.wait_for_end(id).await?;
                    self.deps.metrics.interrupted(start.elapsed());
                    match status {
                        // It ended by itself in that very moment.
                        status @ (TaskStatus::Completed | TaskStatus::Failed) => {
                            return Err(InterruptError::Ended(status));
                        }
                        status => return Ok(Interruption { status, at }),
                    }
                }
                Ok(Interrupted::Waiting(task)) => {
                    let at = task.interrupt_requested_at.unwrap_or(at);
                    let doomed = Doomed { task, reason: Doom::InterruptRequested };
                    match end_doomed(&self.deps, doomed).await {
                        Ok(()) => return Ok(Interruption { status: TaskStatus::Interrupted, at }),
                        // Somebody else ended it, because of the same request: look again.
                        Err(CommitError::Fenced | CommitError::Sequence { .. }) => {
                            let task = self.deps.store.task(id).await?.ok_or(InterruptError::Unknown)?;
                            if task.status == TaskStatus::Interrupted {
                                return Ok(Interruption { status: task.status, at });
                            }
                        }
                        Err(CommitError::Unknown) => return Err(InterruptError::Unknown),
                        Err(CommitError::Store(error)) => return Err(error.into()),
                        Err(error @ CommitError::LogFull { .. }) => {
                            return Err(StoreError(error.to_string()).into());
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Answers a question that a task waits for: it goes on as soon as there is an agent. The same answer may be given again.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub async fn answer(
        &self,
        id: &TaskId,
        question: QuestionId,
        answer: Answer,
    ) -> Result<TaskView, AnswerError> {
        let record = self.deps.store.answer(id, question, answer, self.deps.clock.now()).await?;
        tracing::info!(task_id = %id, %question, "a question was answered");
        let queued = self.queued(&record).await?;
        Ok(TaskView { record, queued })
    }

    async fn wait_for_end(&self, id: &TaskId) -> Result<TaskStatus, InterruptError> {
        if let Some(mut signal) = self.deps.store.watch(id).await? {
            // A signal that is gone, or time that is up: the record tells where the task is.
            drop(timeout(INTERRUPT_WITHIN, signal.wait_for(|signal| signal.ended)).await);
        }
        Ok(self.deps.store.task(id).await?.ok_or(InterruptError::Unknown)?.status)
    }

    /// Waits until a task has ended, at most that long. Gives the task as it is then; `None` when there is none.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn wait(&self, id: &TaskId, patience: Duration) -> Result<Option<TaskView>, StoreError> {
        if let Some(mut signal) = self.deps.store.watch(id).await? {
            // As above: the record tells.
            drop(timeout(patience, signal.wait_for(|signal| signal.ended)).await);
        }
        self.task(id).await
    }

    /// At shutdown of a store that forgets: says of every waiting task that it will not run.
    pub(crate) async fn interrupt_what_waits(&self) {
        let store = &self.deps.store;
        if store.is_durable() {
            return;
        }
        for id in store.open_tasks().await.unwrap_or_default() {
            let Ok(Some(task)) = store.task(&id).await else { continue };
            let waits = task.status == TaskStatus::Pending || task.waiting.is_some();
            if waits && let Err(error) = crate::recovery::end_at_shutdown(&self.deps, &task).await {
                tracing::error!(task_id = %id, %error, "a waiting task could not be ended");
            }
        }
    }

    /// All sessions, oldest first.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.deps.store.sessions().await
    }

    /// A session.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.deps.store.session(id).await
    }

    /// A reader of a task's events after a cursor. `None` when there is no such task.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn subscribe(&self, id: &TaskId, after: u64) -> Result<Option<Subscription>, StoreError> {
        let signal = self.deps.store.watch(id).await?;
        Ok(signal.map(|signal| Subscription::new(Arc::clone(&self.deps.store), id.clone(), after, signal)))
    }

    /// As [`Self::subscribe`], for those who come before their task: waits for it, at most that long.
    ///
    /// # Errors
    /// When the storage goes on failing.
    pub async fn subscribe_soon(
        &self,
        id: &TaskId,
        after: u64,
        patience: Duration,
    ) -> Result<Option<Subscription>, StoreError> {
        let mut queue = self.deps.store.watch_queue();
        let until = Instant::now() + patience;
        // It may be another machine, whose connection has just ended.
        let mut storage = Patience::default();
        loop {
            queue.borrow_and_update();
            match self.subscribe(id, after).await {
                Ok(Some(subscription)) => return Ok(Some(subscription)),
                Ok(None) if timeout_at(until, queue.changed()).await.is_ok() => storage = Patience::default(),
                Ok(None) => return Ok(None),
                Err(error) if storage.waits(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A reader of the events of all tasks after a cursor, or from now on; of these types only, unless there are none. A
    /// cursor beyond the end is of an earlier life of a store that forgets: everything is new to its reader.
    pub fn subscribe_all(
        &self,
        filter: FeedFilter,
        types: Vec<String>,
        after: Option<u64>,
    ) -> FeedSubscription {
        FeedSubscription::new(Arc::clone(&self.deps.store), filter, types, after)
    }

    /// How much goes on.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.deps.store.counts(self.deps.clock.now()).await
    }

    /// How many agents live: at work, idle and prepared.
    pub fn agents(&self) -> usize {
        self.deps.agents.alive()
    }

    /// Seconds after which a place in a full queue may be free.
    pub fn retry_after_seconds(&self) -> u64 {
        let wait = self.tempo.wait_behind(0, self.deps.settings.max_agents);
        wait.map_or(10, |wait| wait.as_secs().clamp(1, 300))
    }

    /// Whether a task would be admitted now.
    ///
    /// # Errors
    /// See [`NotReady`].
    pub async fn ready(&self) -> Result<(), NotReady> {
        if self.stopping.is_cancelled() {
            return Err(NotReady::ShuttingDown);
        }
        if self.is_draining() {
            return Err(NotReady::Draining);
        }
        self.reach_storage().await?;
        let counts = self.counts().await?;
        let (most, max_agents) = (self.deps.settings.max_pending, self.deps.settings.max_agents);
        // An agent is free for those, as far as the counts tell.
        let going = counts.waiting.min(max_agents.saturating_sub(counts.active_sessions));
        let not_begun = counts.waiting + counts.scheduled;
        let all = not_begun + counts.parked;
        let is_full = not_begun - going >= most || all - going >= most.saturating_mul(2);
        if is_full { Err(NotReady::AtCapacity(all)) } else { Ok(()) }
    }
}

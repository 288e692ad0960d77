//! What the outside can ask of the engine.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Ending, Outcome, Progress, SessionId, TaskId, TaskSpec, TaskStatus, Timestamp};
use store::{
    CommitError, Counts, DeleteError, InterruptError, Interrupted, SessionRecord, Store, StoreError, Submit,
    SubmitError, Submitted, TaskRecord,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::run::EventLog;
use crate::subscription::Subscription;

/// How long a request waits for an interrupted task to end: 25 ms as a rule, 1.1 s when the agent has to be killed.
const INTERRUPT_WITHIN: Duration = Duration::from_secs(5);
/// How long a deletion waits for an agent that is on its way out.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);

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
    /// The queue is full.
    #[error("at capacity: {0} tasks wait")]
    AtCapacity(usize),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a session was not deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteSessionError {
    /// There is no such session.
    #[error("there is no such session")]
    Unknown,
    /// These tasks run or wait in it.
    #[error("tasks run or wait in the session")]
    Busy(Vec<TaskId>),
    /// Its agent did not end in time.
    #[error("the session's agent did not end in time")]
    StillHeld,
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

/// The engine, as the outside sees it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    settings: Settings,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
}

impl Handle {
    pub(crate) fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        stopping: CancellationToken,
    ) -> Self {
        Self { settings, store, clock, stopping }
    }

    /// Admits a task; when this returns, the task exists whatever dies (in a durable store).
    ///
    /// # Errors
    /// See [`SubmitRefused`].
    pub async fn submit(&self, spec: TaskSpec) -> Result<Submitted, SubmitRefused> {
        if self.stopping.is_cancelled() {
            return Err(SubmitRefused::ShuttingDown);
        }
        let submit = Submit { spec, max_pending: self.settings.max_pending, now: self.clock.now() };
        let submitted = self.store.submit(submit).await?;
        if submitted.created {
            let record = &submitted.task;
            tracing::info!(task_id = %record.spec.task_id, session_id = %record.session_id, "task admitted");
        }
        Ok(submitted)
    }

    /// A task, its age up to date.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn task(&self, id: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        let mut task = self.store.task(id).await?;
        if let Some(record) = &mut task
            && let (TaskStatus::Running, Some(started)) = (record.status, record.started_at)
        {
            let age = self.clock.now().since(started).as_millis();
            record.progress.elapsed_ms = u64::try_from(age).unwrap_or(u64::MAX);
        }
        Ok(task)
    }

    /// Stops a task and waits until it has ended.
    ///
    /// # Errors
    /// When there is no such task, it has ended, or the storage fails.
    pub async fn interrupt(&self, id: &TaskId) -> Result<Interruption, InterruptError> {
        loop {
            let at = self.clock.now();
            match self.store.request_interrupt(id, at).await? {
                Interrupted::Running(task) => {
                    let status = self.wait_for_end(id).await?;
                    let at = task.interrupt_requested_at.unwrap_or(at);
                    return match status {
                        // It ended by itself in that very moment.
                        TaskStatus::Completed | TaskStatus::Failed => Err(InterruptError::Ended),
                        status => Ok(Interruption { status, at }),
                    };
                }
                Interrupted::Pending(task) => {
                    match self.end_pending(task, "interrupted before it started").await {
                        Ok(()) => return Ok(Interruption { status: TaskStatus::Interrupted, at }),
                        // An agent took it in the meantime.
                        Err(CommitError::Fenced | CommitError::Sequence { .. }) => {}
                        Err(CommitError::Unknown) => return Err(InterruptError::Unknown),
                        Err(CommitError::Store(error)) => return Err(error.into()),
                        Err(error @ CommitError::LogFull { .. }) => {
                            return Err(StoreError(error.to_string()).into());
                        }
                    }
                }
            }
        }
    }

    async fn wait_for_end(&self, id: &TaskId) -> Result<TaskStatus, InterruptError> {
        if let Some(mut signal) = self.store.watch(id).await? {
            // A signal that is gone, or time that is up: the record tells where the task is.
            drop(timeout(INTERRUPT_WITHIN, signal.wait_for(|signal| signal.ended)).await);
        }
        Ok(self.store.task(id).await?.ok_or(InterruptError::Unknown)?.status)
    }

    async fn end_pending(&self, task: TaskRecord, reason: &str) -> Result<(), CommitError> {
        let mut log = EventLog::new(Arc::clone(&self.store), Arc::clone(&self.clock), &task, None);
        let outcome = Outcome {
            ending: Ending::Interrupted,
            summary: String::new(),
            errors: vec![reason.to_owned()],
            total_cost_usd: 0.0,
        };
        log.finish(outcome, Progress::default()).await
    }

    /// At shutdown of a store that forgets: says of every waiting task that it will not run.
    pub(crate) async fn interrupt_what_waits(&self) {
        if self.store.is_durable() {
            return;
        }
        for id in self.store.open_tasks().await.unwrap_or_default() {
            if let Ok(Some(task)) = self.store.task(&id).await
                && task.status == TaskStatus::Pending
                && let Err(error) = self.end_pending(task, "interrupted: the server was stopped").await
            {
                tracing::error!(task_id = %id, %error, "a waiting task could not be ended");
            }
        }
    }

    /// All sessions, oldest first.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.store.sessions().await
    }

    /// Ends a session. With `interrupt_first`, its tasks are stopped; otherwise a busy session is refused.
    ///
    /// # Errors
    /// See [`DeleteSessionError`].
    pub async fn delete_session(
        &self,
        id: &SessionId,
        interrupt_first: InterruptFirst,
    ) -> Result<(), DeleteSessionError> {
        let delete = async {
            let mut queue = self.store.watch_queue();
            loop {
                queue.borrow_and_update();
                match self.store.delete_session(id).await {
                    Ok(()) => return Ok(()),
                    Err(DeleteError::Unknown) => return Err(DeleteSessionError::Unknown),
                    Err(DeleteError::Store(error)) => return Err(error.into()),
                    Err(DeleteError::Busy(tasks)) if interrupt_first == InterruptFirst::No => {
                        return Err(DeleteSessionError::Busy(tasks));
                    }
                    Err(DeleteError::Busy(tasks)) => {
                        for task in tasks {
                            // One that has ended meanwhile needs no stop.
                            drop(self.interrupt(&task).await);
                        }
                    }
                    // A release wakes the queue.
                    Err(DeleteError::Held) => drop(queue.changed().await),
                }
            }
        };
        timeout(RELEASE_WITHIN, delete).await.unwrap_or(Err(DeleteSessionError::StillHeld))
    }

    /// A reader of a task's events after a cursor. `None` when there is no such task.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn subscribe(&self, id: &TaskId, after: u64) -> Result<Option<Subscription>, StoreError> {
        let signal = self.store.watch(id).await?;
        Ok(signal.map(|signal| Subscription::new(Arc::clone(&self.store), id.clone(), after, signal)))
    }

    /// As [`Self::subscribe`], for those who come before their task: waits for it, at most that long.
    pub async fn subscribe_soon(
        &self,
        id: &TaskId,
        after: u64,
        patience: Duration,
    ) -> Result<Option<Subscription>, StoreError> {
        let mut queue = self.store.watch_queue();
        let find = async {
            loop {
                queue.borrow_and_update();
                if let Some(subscription) = self.subscribe(id, after).await? {
                    return Ok(Some(subscription));
                }
                drop(queue.changed().await);
            }
        };
        timeout(patience, find).await.unwrap_or(Ok(None))
    }

    /// How much goes on.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.store.counts().await
    }

    /// Whether a task would be admitted now.
    ///
    /// # Errors
    /// See [`NotReady`].
    pub async fn ready(&self) -> Result<(), NotReady> {
        if self.stopping.is_cancelled() {
            return Err(NotReady::ShuttingDown);
        }
        let waiting = self.store.counts().await?.waiting;
        if waiting >= self.settings.max_pending { Err(NotReady::AtCapacity(waiting)) } else { Ok(()) }
    }
}

/// What to do with tasks that run or wait in a session that is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterruptFirst {
    /// Stop them.
    Yes,
    /// Refuse the deletion.
    No,
}

//! Writes one task's events under its lease.

use std::sync::Arc;
use std::time::Duration;

use api::{CompleteData, EventBody, EventHeader, encode};
use domain::{Clock, ConversationId, LeaseToken, Outcome, Progress, Question, SessionId, TaskId};
use store::{Append, BatchBuilder, CommitError, Finish, PutBack, Store, StoreError, TaskRecord, Waiting};
use telemetry::{Metrics, TaskEnd, TaskTrace};
use tokio::time::{Instant, sleep};

use super::actor::Deps;
use super::traced::{moment, task_trace};

/// A storage that fails is asked again after this, then after twice as long, and so on, at most after that long.
const FIRST_RETRY_AFTER: Duration = Duration::from_millis(50);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Some ten minutes: time to make room on a disk that is full.
const MOST_RETRIES: u32 = 125;

/// Numbers and encodes events, and commits what has gathered. To a worker, a storage that fails for a while loses nothing of
/// it; who writes about a task that waits is told at once.
pub(crate) struct EventLog {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    trace: Option<TaskTrace>,
    task_id: TaskId,
    session_id: SessionId,
    token: Option<LeaseToken>,
    gathered: BatchBuilder,
    /// The conversation that the task's agent writes.
    conversation: Option<ConversationId>,
    /// What was said of it last.
    told: Option<ConversationId>,
    most_retries: u32,
}

impl EventLog {
    /// The log of a task that is held under that lease; `None` for one that waits.
    pub(crate) fn new(deps: &Deps, task: &TaskRecord, token: Option<LeaseToken>) -> Self {
        Self {
            store: Arc::clone(&deps.store),
            clock: Arc::clone(&deps.clock),
            metrics: Arc::clone(&deps.metrics),
            trace: task_trace(&deps.traces, task),
            task_id: task.spec.task_id.clone(),
            session_id: task.session_id.clone(),
            token,
            gathered: BatchBuilder::new(task.tail + 1),
            conversation: task.conversation,
            told: task.conversation,
            most_retries: 0,
        }
    }

    /// The conversation that the agent writes, to be kept with the next commit.
    pub(crate) fn set_conversation(&mut self, conversation: ConversationId) {
        self.conversation = Some(conversation);
    }

    /// A worker's log: a storage that fails is asked again, for minutes.
    pub(crate) fn patient(self) -> Self {
        Self { most_retries: MOST_RETRIES, ..self }
    }

    fn retries(&self) -> Retries {
        Retries { most: self.most_retries, done: 0 }
    }

    /// Gathers an event: it becomes visible with the next commit.
    pub(crate) fn gather(&mut self, body: &EventBody) {
        let header = EventHeader {
            timestamp: self.clock.now(),
            seq: self.gathered.next_seq(),
            task_id: &self.task_id,
            session_id: &self.session_id,
        };
        self.gathered.push(|bytes| encode(bytes, header, body));
    }

    /// Commits what has gathered.
    ///
    /// # Errors
    /// When the lease is lost or the store goes on failing.
    pub(crate) async fn commit(&mut self, progress: Progress, cost_usd: f64) -> Result<(), CommitError> {
        if self.gathered.is_empty() && self.told == self.conversation {
            return Ok(());
        }
        let Some(append) = self.append(progress, cost_usd) else { return Ok(()) };
        let last = append.events.next() - 1;
        let (count, start) = (append.events.len() as u64, Instant::now());
        let mut retries = self.retries();
        loop {
            match self.store.append(append.clone()).await {
                Err(CommitError::Store(error)) if retries.wait(&error).await => {}
                // The answer was lost, not the commit.
                Err(CommitError::Sequence { tail, .. }) if retries.happened() && tail == last => break,
                result => break result?,
            }
        }
        self.told = self.conversation;
        self.metrics.committed(count, start.elapsed());
        Ok(())
    }

    fn append(&mut self, progress: Progress, cost_usd: f64) -> Option<Append> {
        Some(Append {
            task_id: self.task_id.clone(),
            token: self.token?,
            events: self.gathered.take(),
            progress,
            cost_usd,
            conversation: self.conversation,
            now: self.clock.now(),
        })
    }

    /// Ends the task: commits what has gathered, and `complete`, the last event.
    ///
    /// # Errors
    /// When the lease is lost or the store goes on failing.
    pub(crate) async fn finish(&mut self, outcome: Outcome, progress: Progress) -> Result<(), CommitError> {
        let complete = CompleteData {
            task_id: self.task_id.clone(),
            status: outcome.ending.status(),
            exit_code: outcome.ending.exit_code(),
            summary: outcome.summary.clone(),
            errors: outcome.errors.clone(),
            total_cost_usd: outcome.total_cost_usd,
            progress: progress.into(),
        };
        self.gather(&EventBody::Complete(complete));
        let (ending, status) = (outcome.ending, outcome.ending.status());
        let finish = Finish {
            task_id: self.task_id.clone(),
            token: self.token,
            events: self.gathered.take(),
            progress,
            outcome,
            now: self.clock.now(),
        };
        let mut retries = self.retries();
        loop {
            match self.store.finish(finish.clone()).await {
                Err(CommitError::Store(error)) if retries.wait(&error).await => {}
                Err(CommitError::Fenced) if retries.happened() && self.is_ended_with(&finish).await => break,
                result => break result?,
            }
        }
        self.show_end(&finish);
        let worked = Duration::from_millis(progress.elapsed_ms);
        let tokens = (progress.tokens.total_input(), progress.tokens.output);
        self.metrics.task_ended(status.as_str(), worked, tokens, finish.outcome.total_cost_usd);
        tracing::info!(
            task_id = %self.task_id,
            task.status = status.as_str(),
            task.exit_code = ending.exit_code(),
            duration_ms = progress.elapsed_ms,
            tokens_used = progress.tokens.total(),
            "task ended"
        );
        Ok(())
    }

    fn show_end(&self, finish: &Finish) {
        let Some(trace) = &self.trace else { return };
        let Finish { outcome, progress, now, .. } = finish;
        let tokens = (progress.tokens.total_input(), progress.tokens.output);
        let (status, cost_usd) = (outcome.ending.status().as_str(), outcome.total_cost_usd);
        trace.ended(&TaskEnd { status, tokens, cost_usd, at: moment(*now) });
    }

    /// Lets the task wait for another attempt: commits what has gathered with it.
    ///
    /// # Errors
    /// When the lease is lost or the store goes on failing.
    pub(crate) async fn put_back(
        &mut self,
        waiting: Waiting,
        failed: bool,
        question: Option<Question>,
        progress: Progress,
        cost_usd: f64,
    ) -> Result<(), CommitError> {
        let Some(append) = self.append(progress, cost_usd) else { return Ok(()) };
        let put_back = PutBack { append, waiting, failed, question };
        let mut retries = self.retries();
        loop {
            match self.store.put_back(put_back.clone()).await {
                Err(CommitError::Store(error)) if retries.wait(&error).await => {}
                Err(CommitError::Fenced) if retries.happened() && self.waits_with(waiting).await => break,
                result => break result?,
            }
        }
        tracing::info!(task_id = %self.task_id, reason = ?waiting.reason, until = %waiting.until, "task waits");
        Ok(())
    }

    async fn is_ended_with(&self, finish: &Finish) -> bool {
        let task = self.store.task(&self.task_id).await.ok().flatten();
        task.is_some_and(|task| {
            task.status == finish.outcome.ending.status() && task.tail + 1 == finish.events.next()
        })
    }

    async fn waits_with(&self, waiting: Waiting) -> bool {
        let task = self.store.task(&self.task_id).await.ok().flatten();
        task.is_some_and(|task| task.waiting == Some(waiting))
    }
}

/// Repetitions of a commit to which the storage gave no answer.
#[derive(Debug)]
struct Retries {
    most: u32,
    done: u32,
}

impl Retries {
    /// Waits before the next one; false when there have been enough.
    async fn wait(&mut self, error: &StoreError) -> bool {
        if self.done >= self.most {
            return false;
        }
        tracing::warn!(%error, retry = self.done, "a commit is repeated");
        let wait = FIRST_RETRY_AFTER * 2_u32.pow(self.done.min(10));
        sleep(wait.min(LONGEST_RETRY_AFTER)).await;
        self.done += 1;
        true
    }

    /// Whether there was one: then a refusal may mean that an earlier try was carried out.
    fn happened(&self) -> bool {
        self.done > 0
    }
}

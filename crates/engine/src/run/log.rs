//! Writes one task's events under its lease.

use std::sync::Arc;

use api::{CompleteData, EventBody, EventHeader, encode};
use domain::{Clock, LeaseToken, Outcome, Progress, SessionId, TaskId};
use store::{Append, CommitError, EncodedEvent, Finish, Store, TaskRecord};

/// Numbers and encodes events, and commits what has gathered.
pub(crate) struct EventLog {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    task_id: TaskId,
    session_id: SessionId,
    token: Option<LeaseToken>,
    /// Number of the last event, gathered or committed.
    last_seq: u64,
    gathered: Vec<EncodedEvent>,
}

impl EventLog {
    /// The log of a task that is held under that lease; `None` for one that still waits.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        task: &TaskRecord,
        token: Option<LeaseToken>,
    ) -> Self {
        let (task_id, session_id) = (task.spec.task_id.clone(), task.session_id.clone());
        Self { store, clock, task_id, session_id, token, last_seq: task.tail, gathered: Vec::new() }
    }

    /// The task.
    pub(crate) fn task_id(&self) -> &TaskId {
        &self.task_id
    }

    /// Gathers an event: it becomes visible with the next commit.
    pub(crate) fn gather(&mut self, body: &EventBody) {
        self.last_seq += 1;
        let header = EventHeader {
            timestamp: self.clock.now(),
            seq: self.last_seq,
            task_id: &self.task_id,
            session_id: &self.session_id,
        };
        self.gathered.push(EncodedEvent { seq: self.last_seq, json: encode(header, body) });
    }

    /// Commits what has gathered.
    ///
    /// # Errors
    /// When the lease is lost or the store fails; what had gathered is gone then.
    pub(crate) async fn commit(&mut self, progress: Progress) -> Result<(), CommitError> {
        let (Some(token), false) = (self.token, self.gathered.is_empty()) else { return Ok(()) };
        let events = std::mem::take(&mut self.gathered);
        let now = self.clock.now();
        self.store.append(Append { task_id: self.task_id.clone(), token, events, progress, now }).await
    }

    /// Ends the task: commits what has gathered, and `complete`, the last event.
    ///
    /// # Errors
    /// When the lease is lost or the store fails.
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
        let events = std::mem::take(&mut self.gathered);
        let now = self.clock.now();
        let (task_id, token) = (self.task_id.clone(), self.token);
        tracing::info!(
            task_id = %task_id,
            task.status = outcome.ending.status().as_str(),
            task.exit_code = outcome.ending.exit_code(),
            duration_ms = progress.elapsed_ms,
            tokens_used = progress.tokens.total(),
            "task ended"
        );
        self.store.finish(Finish { task_id, token, events, progress, outcome, now }).await
    }
}

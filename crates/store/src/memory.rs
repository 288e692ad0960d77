//! Keeps everything in memory: fast, and gone with the process.

mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::{SessionId, TaskId, Timestamp};
use tokio::sync::watch;

use self::state::State;
use crate::{
    Append, Claimed, CommitError, Counts, DeleteError, Finish, InterruptError, Interrupted, LogPage, Release,
    SessionRecord, Signal, Store, StoreError, Submit, SubmitError, Submitted, TaskRecord,
};

/// How much is kept. What runs or waits is never dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Most ended tasks.
    pub max_ended_tasks: usize,
    /// Most bytes of prompts, events and outcomes of ended tasks.
    pub max_ended_bytes: u64,
    /// Most bytes of events of one task. An agent that writes without end must not fill the machine's memory.
    pub max_task_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_ended_tasks: 10_000,
            max_ended_bytes: 512 * 1024 * 1024,
            max_task_bytes: 256 * 1024 * 1024,
        }
    }
}

/// The memory backend.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    queue: watch::Sender<u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(retention: Retention) -> Self {
        Self { state: Mutex::new(State::new(retention)), queue: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A command validates before it changes anything, so a panic leaves no half of one behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_queue(&self) {
        self.queue.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Retention::default())
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn is_durable(&self) -> bool {
        false
    }

    async fn submit(&self, command: Submit) -> Result<Submitted, SubmitError> {
        let submitted = self.state().submit(command)?;
        if submitted.created {
            self.wake_queue();
        }
        Ok(submitted)
    }

    async fn claim(&self, now: Timestamp) -> Result<Option<Claimed>, StoreError> {
        Ok(self.state().claim(now))
    }

    async fn append(&self, command: Append) -> Result<(), CommitError> {
        self.state().append(command)
    }

    async fn finish(&self, command: Finish) -> Result<(), CommitError> {
        self.state().finish(command)
    }

    async fn release(&self, command: Release) -> Result<(), StoreError> {
        self.state().release(&command);
        self.wake_queue();
        Ok(())
    }

    async fn request_interrupt(&self, task: &TaskId, now: Timestamp) -> Result<Interrupted, InterruptError> {
        self.state().request_interrupt(task, now)
    }

    async fn task(&self, task: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        Ok(self.state().task(task))
    }

    async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError> {
        Ok(self.state().open_tasks())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        Ok(self.state().counts())
    }

    async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(self.state().sessions())
    }

    async fn delete_session(&self, session: &SessionId) -> Result<(), DeleteError> {
        self.state().delete_session(session)
    }

    async fn read(&self, task: &TaskId, after: u64) -> Result<Option<LogPage>, StoreError> {
        Ok(self.state().read(task, after))
    }

    async fn watch(&self, task: &TaskId) -> Result<Option<watch::Receiver<Signal>>, StoreError> {
        Ok(self.state().watch(task))
    }

    fn watch_queue(&self) -> watch::Receiver<u64> {
        self.queue.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn passes_the_conformance_suite() {
        crate::conformance::run(|| Arc::new(MemoryStore::default())).await;
    }

    #[tokio::test]
    async fn ended_tasks_beyond_the_retention_are_dropped_oldest_first_and_running_ones_never() {
        let store = MemoryStore::new(Retention { max_ended_tasks: 1, ..Retention::default() });
        let running = crate::conformance::submit_and_claim(&store, "running").await;
        for id in ["a", "b"] {
            let claimed = crate::conformance::submit_and_claim(&store, id).await;
            crate::conformance::finish(&store, &claimed, 1).await;
        }
        let found = |id: &str| {
            let id = TaskId::parse(id).expect("valid");
            let store = &store;
            async move { store.task(&id).await.expect("memory").is_some() }
        };
        assert_eq!((found("running").await, found("a").await, found("b").await), (true, false, true));
        assert_eq!(running.task.status, domain::TaskStatus::Running);
        let sessions: Vec<_> = store.sessions().await.expect("memory").into_iter().map(|s| s.id).collect();
        assert_eq!(
            sessions.iter().map(SessionId::as_str).collect::<Vec<_>>(),
            ["session-running", "session-b"]
        );
    }

    #[tokio::test]
    async fn a_task_whose_log_is_full_can_still_be_ended() {
        let store = MemoryStore::new(Retention { max_task_bytes: 20, ..Retention::default() });
        let claimed = crate::conformance::submit_and_claim(&store, "t").await;
        let task_id = claimed.task.spec.task_id.clone();
        let append = |seq| Append {
            task_id: task_id.clone(),
            token: claimed.token,
            events: vec![crate::EncodedEvent { seq, json: "0123456789".into() }],
            progress: domain::Progress::default(),
            now: Timestamp::from_millis(0),
        };
        assert_eq!(store.append(append(1)).await, Ok(()));
        assert_eq!(store.append(append(2)).await, Err(CommitError::LogFull { limit: 20 }));
        crate::conformance::finish(&store, &claimed, 2).await;
    }
}

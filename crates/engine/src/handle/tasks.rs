//! Lists of tasks, and what people change of them.

use domain::{Priority, TaskId};
use store::{
    ChangeError, CreateSession, CreateSessionError, DeleteTaskError, SessionRecord, StoreError, TaskQuery,
    TaskRecord,
};

use super::{Handle, TaskView};

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskList {
    /// The tasks, in order.
    pub tasks: Vec<TaskView>,
    /// Where to read on; `None` at the end.
    pub next: Option<u64>,
}

impl Handle {
    /// A page of a list of tasks.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn tasks(&self, query: &TaskQuery) -> Result<TaskList, StoreError> {
        let page = self.deps.store.tasks(query).await?;
        let mut tasks = Vec::with_capacity(page.tasks.len());
        for record in page.tasks {
            tasks.push(self.view(record).await?);
        }
        Ok(TaskList { tasks, next: page.next })
    }

    /// Makes a waiting task more or less urgent.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn set_priority(&self, id: &TaskId, priority: Priority) -> Result<TaskView, ChangeError> {
        let record: TaskRecord = self.deps.store.set_priority(id, priority, self.deps.clock.now()).await?;
        Ok(self.view(record).await?)
    }

    /// Forgets a task that has ended, and its events. Its session stays.
    ///
    /// # Errors
    /// See [`DeleteTaskError`].
    pub async fn delete_task(&self, id: &TaskId) -> Result<(), DeleteTaskError> {
        self.deps.store.delete_task(id).await
    }

    /// Makes a session before its first task. Its time is set here.
    ///
    /// # Errors
    /// See [`CreateSessionError`].
    pub async fn create_session(&self, command: CreateSession) -> Result<SessionRecord, CreateSessionError> {
        self.deps.store.create_session(CreateSession { now: self.deps.clock.now(), ..command }).await
    }
}

//! Ending sessions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{ConversationId, SessionId, TaskId, TaskStatus};
use store::{DeleteError, DeletedSession, SessionRecord, StoreError};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::Handle;
use crate::agents::Agents;

/// How long a deletion waits for an agent that is on its way out.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);

/// An agent has ended and its conversation is removed by then, unless a file system hangs.
const CLEARED_WITHIN: Duration = Duration::from_secs(40);

/// Why a session was not deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteSessionError {
    /// There is no such session.
    #[error("there is no such session")]
    Unknown,
    /// These tasks run or wait in it.
    #[error("tasks run or wait in the session")]
    Busy(Vec<TaskId>),
    /// These sessions are to begin with a copy of its conversation, and have not begun.
    #[error("forks of the session have not begun")]
    Forked(Vec<SessionId>),
    /// Its agent did not end in time.
    #[error("the session's agent did not end in time")]
    StillHeld,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether the tasks of a session are stopped before it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterruptFirst {
    /// They are.
    Yes,
    /// A busy session is refused.
    No,
}

impl Handle {
    /// What was said in a session's conversation, a JSON object a line; `None` when there is nothing yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn transcript(
        &self,
        session: &SessionRecord,
    ) -> std::io::Result<Option<mpsc::Receiver<Bytes>>> {
        let at_work = self.written_now(session).await.map_err(std::io::Error::other)?;
        let Some(conversation) = at_work.or(session.conversation) else { return Ok(None) };
        self.deps.agents.launcher().transcript(&session.principal, conversation).await
    }

    /// The conversation that its agent writes now: the session is told once the task has ended.
    async fn written_now(&self, session: &SessionRecord) -> Result<Option<ConversationId>, StoreError> {
        for id in session.tasks.iter().rev() {
            match self.deps.store.task(id).await? {
                Some(task) if task.status == TaskStatus::Running => return Ok(task.conversation),
                Some(task) if task.status == TaskStatus::Pending => {}
                _ => break,
            }
        }
        Ok(None)
    }

    /// Ends a session: its agent, its conversation and its place in the list. With [`InterruptFirst::Yes`], its tasks are
    /// stopped; otherwise a busy session is refused. One that is to be forked is refused in any case. Its tasks stay readable.
    ///
    /// # Errors
    /// See [`DeleteSessionError`].
    pub async fn delete_session(
        &self,
        id: &SessionId,
        interrupt_first: InterruptFirst,
    ) -> Result<(), DeleteSessionError> {
        let deadline = Instant::now() + RELEASE_WITHIN;
        let mut queue = self.deps.store.watch_queue();
        loop {
            queue.borrow_and_update();
            match self.delete_and_clear_away(id).await {
                Ok(()) => return Ok(()),
                Err(DeleteError::Unknown) => return Err(DeleteSessionError::Unknown),
                Err(DeleteError::Store(error)) => return Err(error.into()),
                Err(DeleteError::Busy(tasks)) if interrupt_first == InterruptFirst::No => {
                    return Err(DeleteSessionError::Busy(tasks));
                }
                Err(DeleteError::Busy(_) | DeleteError::Held) if Instant::now() >= deadline => {
                    return Err(DeleteSessionError::StillHeld);
                }
                Err(DeleteError::Busy(tasks)) => {
                    for task in tasks {
                        // One that has ended meanwhile needs no stop.
                        drop(timeout_at(deadline, self.interrupt(&task)).await);
                    }
                }
                Err(DeleteError::Forked(forks)) => return Err(DeleteSessionError::Forked(forks)),
                // A release wakes the queue.
                Err(DeleteError::Held) => {
                    let released = timeout_at(deadline, queue.changed()).await;
                    drop(released.map_err(|_| DeleteSessionError::StillHeld)?);
                }
            }
        }
    }

    /// Both go on though the caller leaves: nobody else clears away.
    async fn delete_and_clear_away(&self, id: &SessionId) -> Result<(), DeleteError> {
        let (deps, session) = (Arc::clone(&self.deps), id.clone());
        let deleting = async move {
            let deleted = deps.store.delete_session(&session).await?;
            clear_away(&deps.agents, deleted).await;
            Ok(())
        };
        let deleting = self.deps.agents.tracker().spawn(deleting);
        match timeout(CLEARED_WITHIN, deleting).await {
            Ok(Ok(deleted)) => deleted,
            Ok(Err(error)) => Err(StoreError(format!("the deletion failed: {error}")).into()),
            Err(_) => Err(StoreError("what the session left is still being removed".to_owned()).into()),
        }
    }
}

/// Ends the agent of a session that is no more, and removes its conversation.
pub(crate) async fn clear_away(agents: &Arc<Agents>, deleted: DeletedSession) {
    agents.hibernate(&deleted.id).await;
    if let Some(conversation) = deleted.conversation {
        agents.launcher().forget(&deleted.principal, conversation).await;
    }
}

//! What people say to an agent while it works.

use std::time::Duration;

use domain::{TaskId, TaskStatus};
use store::StoreError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use super::Handle;
use crate::elsewhere;
use crate::run::messages::{Incoming, NoTurn};

/// How long a worker may take: it may wait for a permit, and its agent may have to start first.
pub(crate) const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// There is no such task.
    #[error("there is no such task")]
    Unknown,
    /// No agent is at work on it.
    #[error("no agent is at work on the task")]
    NotAtWork(TaskStatus),
    /// Too many messages wait, or the agent does not take any.
    #[error("the agent does not take messages now")]
    NotTaken,
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Handle {
    /// Says something to the agent that is at work on a task. When this returns, it stands in the task's log and the agent has
    /// it; an agent of a later attempt is told again if need be. Gives the message's id, which is a new one unless the caller has
    /// chosen it. One that the task has already is not told a second time.
    ///
    /// # Errors
    /// See [`MessageError`].
    pub async fn message(
        &self,
        id: &TaskId,
        text: String,
        chosen: Option<Uuid>,
    ) -> Result<Uuid, MessageError> {
        let task = self.deps.store.task(id).await?.ok_or(MessageError::Unknown)?;
        let not_at_work = MessageError::NotAtWork(task.status);
        if task.status != TaskStatus::Running || task.waiting.is_some() {
            return Err(not_at_work);
        }
        let Some(inbox) = self.deps.inboxes.of(id) else {
            return elsewhere::tell(&self.deps, &task, text, chosen).await;
        };
        let (taken, answer) = oneshot::channel();
        match inbox.try_send(Incoming { id: chosen.unwrap_or_else(Uuid::new_v4), text, taken }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(MessageError::NotTaken),
            Err(TrySendError::Closed(_)) => return Err(not_at_work),
        }
        match timeout(TAKEN_WITHIN, answer).await {
            Ok(Ok(Ok(message))) => Ok(message),
            // It ended in this moment, or its log did.
            Ok(Ok(Err(NoTurn)) | Err(_)) => Err(not_at_work),
            Err(_) => Err(MessageError::NotTaken),
        }
    }
}

//! Messages for agents that are at work at another server which shares the store: they are left there, and the task's log says
//! whether they were taken.

use std::sync::Arc;
use std::time::Duration;

use domain::TaskId;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use store::{Left, TaskRecord};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::handle::{MessageError, TAKEN_WITHIN};
use crate::run::Deps;
use crate::run::messages::Incoming;
use crate::subscription::{Subscription, SubscriptionError};

/// After the storage failed to answer, how long to wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A message on its way between servers.
#[derive(Serialize, Deserialize)]
struct Letter {
    id: Uuid,
    text: String,
}

/// Says something to an agent that is not at work here.
pub(crate) async fn tell(
    deps: &Deps,
    task: &TaskRecord,
    text: String,
    chosen: Option<Uuid>,
) -> Result<Uuid, MessageError> {
    let not_at_work = MessageError::NotAtWork(task.status);
    let (task_id, id) = (&task.spec.task_id, chosen.unwrap_or_else(Uuid::new_v4));
    // Texts can always be written.
    let letter = serde_json::to_vec(&Letter { id, text }).unwrap_or_default();
    match deps.store.leave_message(task_id, &letter).await? {
        Left::ForItsWorker => {}
        Left::NotShared | Left::NotAtWork => return Err(not_at_work),
        Left::TooMany => return Err(MessageError::NotTaken),
    }
    // One that was chosen may have been taken before.
    let after = if chosen.is_some() { 0 } else { task.tail };
    match timeout(TAKEN_WITHIN, is_taken(deps, task_id, id, after)).await {
        Ok(Ok(true)) => Ok(id),
        Ok(Ok(false)) => Err(not_at_work),
        Ok(Err(SubscriptionError::Gone)) => Err(MessageError::Unknown),
        Ok(Err(SubscriptionError::Store(error))) => Err(error.into()),
        Err(_) => Err(MessageError::NotTaken),
    }
}

/// Waits until a message stands in a task's log; false when the task has ended without it.
async fn is_taken(deps: &Deps, task: &TaskId, message: Uuid, after: u64) -> Result<bool, SubscriptionError> {
    let signal = deps.store.watch(task).await?.ok_or(SubscriptionError::Gone)?;
    let mut events = Subscription::new(Arc::clone(&deps.store), task.clone(), after, signal);
    let mark = format!("\"message_id\":\"{message}\"");
    let mark = memmem::Finder::new(&mark);
    loop {
        let batch = events.next().await?;
        if batch.events.iter().any(|event| mark.find(&event.json).is_some()) {
            return Ok(true);
        }
        if batch.complete {
            return Ok(false);
        }
    }
}

/// Passes on what was left for tasks of this server. Never returns.
pub(crate) async fn pass_on(deps: Arc<Deps>) {
    let Some(mut mail) = deps.store.watch_messages() else { return std::future::pending().await };
    loop {
        mail.borrow_and_update();
        match deps.store.take_messages().await {
            Ok(letters) => letters.iter().for_each(|(task, letter)| deliver(&deps, task, letter)),
            Err(error) => {
                tracing::warn!(%error, "messages that were left for this server could not be taken");
                sleep(RETRY_AFTER).await;
                continue;
            }
        }
        // The sender lives in the store, which we hold: an error cannot be.
        drop(mail.changed().await);
    }
}

fn deliver(deps: &Deps, task: &TaskId, letter: &[u8]) {
    let Ok(Letter { id, text }) = serde_json::from_slice(letter) else {
        return tracing::error!(task_id = %task, "a message from another server cannot be read");
    };
    // A worker that is about to leave takes none: then the task's log says nothing of it.
    let Some(inbox) = deps.inboxes.of(task) else { return };
    let (taken, answer) = oneshot::channel();
    if inbox.try_send(Incoming { id, text, taken }).is_ok() {
        // As long as somebody may wait for it.
        tokio::spawn(timeout(TAKEN_WITHIN, answer));
    }
}

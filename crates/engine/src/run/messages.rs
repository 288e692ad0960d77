//! What people tell an agent while it works. The task's worker takes it, so that it stands in the log before the agent hears of
//! it; what an agent that died had not heard is found there again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{ConversationId, TaskId};
use memchr::memmem;
use serde::Deserialize;
use store::{Claimed, StoreError};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::actor::Deps;

/// What the event of a message is called.
pub(super) const SUBTYPE: &str = "task_message";
/// Most messages that wait for a worker.
const MOST_WAITING: usize = 16;

/// A message on its way to a worker. An answer that nobody waits for any more means that it is not to be taken.
pub(crate) struct Incoming {
    pub(crate) id: Uuid,
    pub(crate) text: String,
    /// Told once the agent has it; closed when the log did not take it.
    pub(crate) taken: oneshot::Sender<Result<Uuid, NoTurn>>,
}

/// There is no turn that a message could go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoTurn;

/// Where workers take messages.
#[derive(Default)]
pub(crate) struct Inboxes(Mutex<HashMap<TaskId, mpsc::Sender<Incoming>>>);

impl Inboxes {
    /// The way to a task's worker, if one is at work.
    pub(crate) fn of(&self, task: &TaskId) -> Option<mpsc::Sender<Incoming>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(task).cloned()
    }
}

/// A worker's own inbox, as long as it works.
pub(super) struct Inbox {
    deps: Arc<Deps>,
    task: TaskId,
    receiver: mpsc::Receiver<Incoming>,
}

impl Inbox {
    pub(super) fn open(deps: &Arc<Deps>, task: &TaskId) -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        deps.inboxes.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task.clone(), sender);
        Self { deps: Arc::clone(deps), task: task.clone(), receiver }
    }

    /// The next message that somebody still wants to be taken.
    pub(super) async fn next(&mut self) -> Incoming {
        loop {
            match self.receiver.recv().await {
                Some(incoming) if !incoming.taken.is_closed() => return incoming,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.deps.inboxes.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.task);
    }
}

/// A message as the log has it.
#[derive(Deserialize)]
struct Logged {
    data: LoggedData,
}

#[derive(Deserialize)]
struct LoggedData {
    subtype: String,
    content: String,
    data: LoggedId,
}

#[derive(Deserialize)]
struct LoggedId {
    message_id: Uuid,
}

/// The messages of earlier attempts.
#[derive(Debug, Clone, Default)]
pub(super) struct Earlier {
    /// The ids of all of them.
    pub(super) known: Vec<Uuid>,
    /// Those that are not in the conversation: they have to be told again.
    pub(super) untold: Vec<(Uuid, String)>,
}

/// Finds them in a task's log.
pub(super) async fn earlier(
    deps: &Deps,
    claimed: &Claimed,
    conversation: Option<ConversationId>,
) -> Result<Earlier, StoreError> {
    let spec = &claimed.task.spec;
    let mut found = Earlier::default();
    let mark = memmem::Finder::new(SUBTYPE);
    let mut after = 0;
    while let Some(page) = deps.store.read(&spec.task_id, after).await? {
        let Some(last) = page.events.last().map(|event| event.seq) else { break };
        after = last;
        for event in page.events.iter().filter(|event| mark.find(&event.json).is_some()) {
            // Somebody else's words may look like a message of ours, and are none.
            let Ok(Logged { data }) = serde_json::from_slice(&event.json) else { continue };
            if data.subtype != SUBTYPE {
                continue;
            }
            let id = data.data.message_id;
            found.known.push(id);
            let is_told = match conversation {
                Some(written) => deps.agents.launcher().has_prompt(&spec.principal, written, id).await,
                None => false,
            };
            if !is_told {
                found.untold.push((id, data.content));
            }
        }
    }
    Ok(found)
}

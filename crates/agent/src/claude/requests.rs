//! Our requests that wait for the CLI's answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use claude_protocol::{ControlRefusal, ControlReply};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

/// What a request came to.
pub(super) type Outcome = Result<Option<Box<RawValue>>, ControlRefusal>;

/// The open requests of one CLI.
#[derive(Debug, Default)]
pub(super) struct Requests {
    next: AtomicU64,
    /// `None` once the CLI will answer no more.
    open: Mutex<Option<HashMap<String, oneshot::Sender<Outcome>>>>,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self { next: AtomicU64::new(1), open: Mutex::new(Some(HashMap::new())) }
    }

    /// An id that no other request has.
    pub(super) fn id(&self) -> String {
        format!("host-{}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for the answer to `id`, from now on. `None` when no answer can come any more.
    pub(super) fn expect(&self, id: &str) -> Option<oneshot::Receiver<Outcome>> {
        let (sender, receiver) = oneshot::channel();
        self.lock().as_mut()?.insert(id.to_owned(), sender);
        Some(receiver)
    }

    /// No longer waits for it.
    pub(super) fn forget(&self, id: &str) {
        if let Some(open) = self.lock().as_mut() {
            open.remove(id);
        }
    }

    /// Hands an answer to who waits for it; gives it back when nobody does.
    pub(super) fn answer(&self, reply: ControlReply) -> Option<ControlReply> {
        let id = reply.request_id.as_deref()?;
        let waiting = self.lock().as_mut().and_then(|open| open.remove(id));
        match waiting {
            // Whoever asked may have given up meanwhile.
            Some(waiting) => {
                waiting.send(reply.outcome).ok();
                None
            }
            None => Some(reply),
        }
    }

    /// The CLI is gone: all who wait are told.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<HashMap<String, oneshot::Sender<Outcome>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

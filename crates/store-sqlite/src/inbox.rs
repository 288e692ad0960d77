//! What waits for the writer: commands, of which so many may wait, and questions, which go first.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Core, StoreError};
use tokio::sync::{Semaphore, watch};

use crate::command::Command;
use crate::tables::SqliteTables;

/// Commands that may wait; who comes then waits outside.
const PLACES: usize = 1024;
/// Most commands and bytes of one transaction: enough to share its costs, few enough to be answered soon.
const GROUP_COMMANDS: usize = 256;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Something that is looked up where the commands are carried out.
pub(crate) type Question = Box<dyn FnOnce(&Core<SqliteTables>) + Send>;

#[derive(Default)]
struct Waiting {
    commands: VecDeque<Box<dyn Command>>,
    questions: VecDeque<Question>,
    /// Whether the writer's thread has taken some that it may not have begun with.
    in_hand: bool,
    closed: bool,
}

/// What the writer is to do.
pub(crate) enum Next {
    /// This.
    Work(Group),
    /// Nothing, for as long as it wanted to be told.
    Idle,
    /// To end.
    Closed,
}

/// What is to be done next.
pub(crate) struct Group {
    pub(crate) questions: VecDeque<Question>,
    pub(crate) commands: Vec<Box<dyn Command>>,
}

pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    more: Condvar,
    places: Semaphore,
    abandoned: watch::Sender<bool>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

pub(crate) fn closed() -> StoreError {
    StoreError("the store is closed: the server is stopping, or its storage thread has ended".into())
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            more: Condvar::new(),
            places: Semaphore::new(PLACES),
            abandoned: watch::Sender::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here is ever half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command at the end, as soon as there is a place.
    pub(crate) async fn send(&self, command: Box<dyn Command>) -> Result<(), StoreError> {
        self.places.acquire().await.map_err(|_| closed())?.forget();
        self.put(|waiting| waiting.commands.push_back(command))
    }

    pub(crate) fn ask(&self, question: Question) -> Result<(), StoreError> {
        self.put(|waiting| waiting.questions.push_back(question))
    }

    fn put(&self, put: impl FnOnce(&mut Waiting)) -> Result<(), StoreError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(closed());
        }
        put(&mut waiting);
        drop(waiting);
        self.more.notify_one();
        Ok(())
    }

    /// Waits for something to do, or for so long without.
    pub(crate) fn take(&self, idle_after: Option<Duration>) -> Next {
        let mut waiting = self.lock();
        waiting.in_hand = false;
        while waiting.commands.is_empty() && waiting.questions.is_empty() {
            if waiting.closed {
                return Next::Closed;
            }
            let Some(time) = idle_after else {
                waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let timed_out;
            (waiting, timed_out) = self.wait(waiting, time);
            if timed_out {
                return Next::Idle;
            }
        }
        waiting.in_hand = true;
        let questions = std::mem::take(&mut waiting.questions);
        let (mut commands, mut bytes) = (Vec::new(), 0);
        while commands.len() < GROUP_COMMANDS
            && bytes < GROUP_BYTES
            && let Some(command) = waiting.commands.pop_front()
        {
            bytes += command.weight();
            commands.push(command);
        }
        drop(waiting);
        self.places.add_permits(commands.len());
        Next::Work(Group { questions, commands })
    }

    fn wait<'a>(&self, waiting: MutexGuard<'a, Waiting>, time: Duration) -> (MutexGuard<'a, Waiting>, bool) {
        let is_empty = |waiting: &mut Waiting| {
            waiting.commands.is_empty() && waiting.questions.is_empty() && !waiting.closed
        };
        let waited = self.more.wait_timeout_while(waiting, time, is_empty);
        let (waiting, result) = waited.unwrap_or_else(PoisonError::into_inner);
        (waiting, result.timed_out())
    }

    /// Whether nothing waits, and something could. Who comes now overtakes nobody.
    pub(crate) fn is_quiet(&self) -> bool {
        let waiting = self.lock();
        waiting.commands.is_empty() && waiting.questions.is_empty() && !waiting.in_hand && !waiting.closed
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes in nothing more. What waits already is still to be done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.places.close();
        self.more.notify_all();
    }

    /// Drops what waits, when nobody is left to do it: those who asked are told by that.
    pub(crate) fn abandon(&self) {
        self.close();
        let mut waiting = self.lock();
        let dropped = (std::mem::take(&mut waiting.commands), std::mem::take(&mut waiting.questions));
        drop(waiting);
        drop(dropped);
        self.abandoned.send_replace(true);
    }

    /// Waits until nobody is left to do anything.
    pub(crate) async fn abandoned(&self) {
        // The sender is ours: an error cannot be.
        drop(self.abandoned.subscribe().wait_for(|abandoned| *abandoned).await);
    }
}

//! What the commands mean, for every backend that keeps its rows behind [`Tables`].
//!
//! The core holds what is open in memory: tasks that have not ended, and sessions that are in use. Everything else stays in
//! the tables. A command checks everything before it changes anything, so one that is refused has no effect. When the
//! tables fail, the backend rolls its transaction back and lets the core read everything anew with [`Core::reload`].

mod claim;
mod edit;
mod keep;
mod progress;
mod submit;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use domain::{LeaseToken, SessionId, TaskId, TaskStatus, Timestamp};

use crate::queue::{Entry, Queue, Share};
use crate::tables::{Counters, SessionRow, Tables, TaskRow};
use crate::{
    Claimed, Counts, DeleteError, DeletedSession, Doom, Doomed, EventBatch, Signal, StoreError, Submitted,
    TaskRecord,
};

/// Writes the notice that the feed brings when a task has come to where its record says.
pub type Notice = fn(&TaskRecord, Timestamp) -> Bytes;

/// What holds for every task, and how notices are written.
#[derive(Debug, Clone, Copy)]
pub struct CoreSettings {
    /// Most bytes of events of one task. An agent that writes without end must not fill the machine.
    pub max_task_bytes: u64,
    /// Writes notices.
    pub notice: Notice,
}

impl Default for CoreSettings {
    fn default() -> Self {
        Self { max_task_bytes: 256 * 1024 * 1024, notice: |_, _| Bytes::from_static(b"{}") }
    }
}

/// A session that has open tasks or is held.
#[derive(Debug)]
struct OpenSession {
    row: SessionRow,
    /// Its open tasks, by number.
    tasks: BTreeMap<u64, TaskId>,
}

/// What readers are to be told once a transaction is durable.
#[derive(Debug, Default)]
pub struct News {
    /// What is new of tasks.
    pub tasks: Vec<TaskNews>,
    /// Whether those who claim should look again.
    pub queue: bool,
    /// Place of the feed's last entry.
    pub position: u64,
}

impl News {
    fn tell(&mut self, row: &TaskRow, events: Option<Arc<EventBatch>>) {
        let signal = signal_of(&row.record);
        self.tasks.push(TaskNews { task: row.record.spec.task_id.clone(), signal, events });
    }
}

/// What is new of a task.
#[derive(Debug)]
pub struct TaskNews {
    /// The task.
    pub task: TaskId,
    /// Where it is now.
    pub signal: Signal,
    /// The events that were added.
    pub events: Option<Arc<EventBatch>>,
}

/// The commands.
#[derive(Debug)]
pub struct Core<T> {
    tables: T,
    settings: CoreSettings,
    counters: Counters,
    last_token: u32,
    open: HashMap<TaskId, TaskRow>,
    sessions: HashMap<SessionId, OpenSession>,
    queue: Queue,
    running: usize,
    /// The last claim, for those who got no answer to it.
    last_claim: Option<(u64, Claimed)>,
    /// What was taken over: it comes again until its session is given back.
    taken_over: HashSet<LeaseToken>,
    news: News,
    /// The position that readers were told of last.
    published: u64,
}

fn signal_of(record: &TaskRecord) -> Signal {
    Signal {
        tail: record.tail,
        ended: record.status.is_terminal(),
        interrupt_requested: record.interrupt_requested_at.is_some(),
    }
}

fn share_of(record: &TaskRecord) -> Share {
    Share { principal: record.spec.principal.clone(), workspace: record.spec.workspace.clone() }
}

impl<T: Tables> Core<T> {
    /// Opens the tables. What was held under leases of an earlier opening waits for [`Self::take_over`].
    ///
    /// # Errors
    /// When the tables fail.
    pub fn open(mut tables: T, settings: CoreSettings) -> Result<Self, StoreError> {
        let counters = tables.open()?;
        let mut core = Self::empty(tables, settings, counters, 0);
        core.load()?;
        Ok(core)
    }

    /// Reads everything anew after a transaction was rolled back, and forgets its news. The counters stay where they are: what
    /// was given out is not given out twice, and gaps do no harm.
    ///
    /// # Errors
    /// When the tables fail. Then this has to be called again before anything else is.
    pub fn reload(&mut self) -> Result<(), StoreError> {
        self.open.clear();
        self.sessions.clear();
        self.queue = Queue::default();
        self.running = 0;
        self.news = News { position: self.published, ..News::default() };
        self.load()
    }

    /// A core of tables that hold nothing.
    pub(crate) fn empty(tables: T, settings: CoreSettings, counters: Counters, last_token: u32) -> Self {
        Self {
            tables,
            settings,
            counters,
            last_token,
            open: HashMap::new(),
            sessions: HashMap::new(),
            queue: Queue::default(),
            running: 0,
            last_claim: None,
            taken_over: HashSet::new(),
            news: News { position: counters.position, ..News::default() },
            published: counters.position,
        }
    }

    fn load(&mut self) -> Result<(), StoreError> {
        for row in self.tables.held_sessions()? {
            self.queue.set_held(&row.id, true);
            self.sessions.insert(row.id.clone(), OpenSession { row, tasks: BTreeMap::new() });
        }
        let rows = self.tables.open_tasks()?;
        self.open.extend(rows.iter().map(|row| (row.record.spec.task_id.clone(), row.clone())));
        for row in rows {
            self.enter(&row)?;
        }
        Ok(())
    }

    /// Puts an open task into its session and the queue.
    fn enter(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        let session = &row.record.session_id;
        if !self.sessions.contains_key(session)
            && let Some(found) = self.tables.session(session)?
        {
            self.sessions.insert(session.clone(), OpenSession { row: found, tasks: BTreeMap::new() });
        }
        if let Some(open) = self.sessions.get_mut(session) {
            open.tasks.insert(row.number, row.record.spec.task_id.clone());
        }
        if row.token.is_some() {
            self.running += 1;
            self.queue.set_at_work(&share_of(&row.record), true);
        } else {
            self.enqueue(row)?;
        }
        Ok(())
    }

    fn enqueue(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        let record = &row.record;
        let mut doom = record.interrupt_requested_at.map(|_| Doom::InterruptRequested);
        let mut waits_for = std::collections::HashSet::new();
        if record.attempt == 0 {
            for dependency in &record.spec.schedule.depends_on {
                match self.status_of(dependency)? {
                    Some(TaskStatus::Completed) | None => {}
                    Some(status @ (TaskStatus::Failed | TaskStatus::Interrupted)) => {
                        doom.get_or_insert(Doom::DependencyEnded(dependency.clone(), status));
                    }
                    Some(TaskStatus::Pending | TaskStatus::Running) => {
                        waits_for.insert(dependency.clone());
                    }
                }
            }
        }
        let until = match record.waiting {
            Some(waiting) => Some(waiting.until),
            None => record.spec.schedule.start_at,
        };
        let entry = Entry {
            task: record.spec.task_id.clone(),
            session: record.session_id.clone(),
            share: share_of(record),
            priority: record.spec.schedule.priority,
            max_running: record.spec.schedule.max_running,
            until,
            waits_for,
            begun: record.attempt > 0,
            doom,
        };
        self.queue.insert(row.number, entry);
        self.news.queue = true;
        Ok(())
    }

    fn status_of(&mut self, task: &TaskId) -> Result<Option<TaskStatus>, StoreError> {
        if let Some(row) = self.open.get(task) {
            return Ok(Some(row.record.status));
        }
        Ok(self.tables.task(task)?.map(|row| row.record.status))
    }

    /// A task, open or ended.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn task(&mut self, id: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        match self.open.get(id) {
            Some(row) => Ok(Some(row.record.clone())),
            None => Ok(self.tables.task(id)?.map(|row| row.record)),
        }
    }

    /// What readers are to be told of what was done since the last call.
    pub fn take_news(&mut self) -> News {
        let position = self.news.position;
        self.published = position;
        std::mem::replace(&mut self.news, News { position, ..News::default() })
    }

    /// Place of the feed's last entry.
    pub fn position(&self) -> u64 {
        self.counters.position
    }

    /// What it was opened with.
    pub fn settings(&self) -> CoreSettings {
        self.settings
    }

    /// The tables.
    pub fn tables(&mut self) -> &mut T {
        &mut self.tables
    }

    /// The open tasks' ids and where they are.
    pub fn open_tasks(&self) -> Vec<(TaskId, Signal)> {
        let mut rows: Vec<_> = self.open.values().collect();
        rows.sort_by_key(|row| row.number);
        rows.into_iter().map(|row| (row.record.spec.task_id.clone(), signal_of(&row.record))).collect()
    }

    /// How many go before a waiting task.
    pub fn tasks_ahead(&self, task: &TaskId) -> Option<usize> {
        self.queue.ahead(task)
    }

    /// How much goes on at that time.
    pub fn counts(&self, now: Timestamp) -> Counts {
        let (not_begun, scheduled) = (self.queue.not_begun(), self.queue.scheduled(now));
        Counts {
            waiting: not_begun - scheduled,
            scheduled,
            running: self.running,
            parked: self.queue.len() - not_begun,
            active_sessions: self.queue.held(),
        }
    }

    /// When a task becomes due next, so that the counts change although nothing happens.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.next_due()
    }

    /// The waiting tasks that are to be ended without an agent.
    pub fn doomed(&self) -> Vec<Doomed> {
        let doomed = self.queue.doomed().filter_map(|(task, doom)| {
            let task = self.open.get(task)?.record.clone();
            Some(Doomed { task, reason: doom.clone() })
        });
        doomed.collect()
    }

    fn new_token(&mut self) -> LeaseToken {
        self.last_token += 1;
        LeaseToken(u64::from(self.counters.opened) << 32 | u64::from(self.last_token))
    }

    /// Whether a lease was given by an earlier opening of the tables.
    fn is_stale(&self, token: LeaseToken) -> bool {
        token.0 >> 32 < u64::from(self.counters.opened)
    }

    fn notify(&mut self, row: &TaskRow, now: Timestamp) -> Result<(), StoreError> {
        self.counters.position += 1;
        let position = self.counters.position;
        self.news.position = position;
        self.tables.add_notice(row, position, (self.settings.notice)(&row.record, now))
    }

    /// Writes a session that is in use, and forgets it when it no longer is.
    fn write_session(&mut self, id: &SessionId) -> Result<(), StoreError> {
        let Some(session) = self.sessions.get(id) else { return Ok(()) };
        self.tables.put_session(&session.row)?;
        if session.tasks.is_empty() && session.row.holder.is_none() {
            self.sessions.remove(id);
        }
        Ok(())
    }

    /// Forgets a session that nothing runs or waits in.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub fn delete_session(&mut self, id: &SessionId) -> Result<DeletedSession, DeleteError> {
        if let Some(open) = self.sessions.get(id) {
            if !open.tasks.is_empty() {
                return Err(DeleteError::Busy(open.tasks.values().cloned().collect()));
            }
            return Err(DeleteError::Held);
        }
        let row = self.tables.session(id)?.ok_or(DeleteError::Unknown)?;
        let forks = match row.conversation {
            Some(conversation) => self.tables.forks_of(conversation)?,
            None => Vec::new(),
        };
        if !forks.is_empty() {
            return Err(DeleteError::Forked(forks));
        }
        self.tables.delete_session(id)?;
        Ok(deleted(row))
    }

    fn existing(&mut self, id: &TaskId) -> Result<Option<Submitted>, StoreError> {
        Ok(self.task(id)?.map(|task| Submitted { task, created: false }))
    }
}

fn deleted(row: SessionRow) -> DeletedSession {
    DeletedSession { id: row.id, principal: row.principal, conversation: row.conversation }
}

//! The state behind the lock. Each method is one command: it checks everything first, then changes.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use domain::{
    ConversationId, LeaseToken, Outcome, Progress, SessionChoice, SessionId, SessionStatus, TaskId,
    TaskStatus, Timestamp,
};
use tokio::sync::watch;

use super::Retention;
use crate::{
    Append, Claimed, CommitError, Counts, DeleteError, EncodedEvent, Finish, InterruptError, Interrupted,
    LogPage, Release, SessionRecord, Signal, Submit, SubmitError, Submitted, TaskRecord,
};

/// Most events and bytes that one read gives: enough to fill a socket, not enough to fill memory.
const PAGE_EVENTS: usize = 512;
const PAGE_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
struct Task {
    record: TaskRecord,
    token: Option<LeaseToken>,
    events: Vec<EncodedEvent>,
    /// What the task weighs: its prompt, its events, its outcome.
    bytes: u64,
    signal: watch::Sender<Signal>,
}

#[derive(Debug)]
struct Session {
    /// Counts sessions up, so that they can be listed in the order of their creation.
    number: u64,
    workspace: PathBuf,
    tasks: Vec<TaskId>,
    created_at: Timestamp,
    last_activity: Timestamp,
    conversation: Option<ConversationId>,
    holder: Option<LeaseToken>,
}

#[derive(Debug)]
pub(super) struct State {
    retention: Retention,
    tasks: HashMap<TaskId, Task>,
    sessions: HashMap<SessionId, Session>,
    last_session: u64,
    pending: VecDeque<TaskId>,
    ended: VecDeque<TaskId>,
    ended_bytes: u64,
    last_token: u64,
    /// Tasks at work.
    running: usize,
    /// Sessions that are held.
    active_sessions: usize,
}

impl Task {
    fn signal(&self) {
        self.signal.send_replace(Signal {
            tail: self.record.tail,
            ended: self.record.status.is_terminal(),
            interrupt_requested: self.record.interrupt_requested_at.is_some(),
        });
    }

    fn check(&self, token: Option<LeaseToken>, events: &[EncodedEvent]) -> Result<(), CommitError> {
        let held = match token {
            Some(token) => self.token == Some(token) && self.record.status == TaskStatus::Running,
            None => self.record.status == TaskStatus::Pending,
        };
        if !held {
            return Err(CommitError::Fenced);
        }
        for (event, expected) in events.iter().zip(self.record.tail + 1..) {
            if event.seq != expected {
                return Err(CommitError::Sequence { tail: self.record.tail, first: event.seq });
            }
        }
        Ok(())
    }

    fn apply(&mut self, events: Vec<EncodedEvent>, progress: Progress, now: Timestamp) {
        self.bytes += bytes_of(&events);
        self.events.extend(events);
        self.record.tail = self.events.len() as u64;
        self.record.progress = progress;
        self.record.updated_at = now;
    }
}

fn bytes_of(events: &[EncodedEvent]) -> u64 {
    events.iter().map(|event| event.json.len() as u64).sum()
}

fn outcome_bytes(outcome: &Outcome) -> u64 {
    (outcome.summary.len() + outcome.errors.iter().map(String::len).sum::<usize>()) as u64
}

impl State {
    pub(super) fn new(retention: Retention) -> Self {
        Self {
            retention,
            tasks: HashMap::new(),
            sessions: HashMap::new(),
            last_session: 0,
            pending: VecDeque::new(),
            ended: VecDeque::new(),
            ended_bytes: 0,
            last_token: 0,
            running: 0,
            active_sessions: 0,
        }
    }

    pub(super) fn submit(&mut self, command: Submit) -> Result<Submitted, SubmitError> {
        let Submit { spec, max_pending, now } = command;
        if let Some(existing) = self.tasks.get(&spec.task_id) {
            let same = existing.record.spec.fingerprint == spec.fingerprint;
            let task = existing.record.clone();
            return if same { Ok(Submitted { task, created: false }) } else { Err(SubmitError::IdTaken) };
        }
        if self.pending.len() >= max_pending {
            return Err(SubmitError::QueueFull { waiting: self.pending.len() });
        }
        let session_id = self.join_session(&spec, now)?;
        let record = TaskRecord {
            session_id,
            spec: Arc::new(spec),
            status: TaskStatus::Pending,
            progress: Progress::default(),
            outcome: None,
            created_at: now,
            started_at: None,
            updated_at: now,
            tail: 0,
            interrupt_requested_at: None,
        };
        let id = record.spec.task_id.clone();
        let signal = watch::Sender::new(Signal::default());
        let bytes = record.spec.prompt.len() as u64;
        let task = Task { record: record.clone(), token: None, events: Vec::new(), bytes, signal };
        self.tasks.insert(id.clone(), task);
        self.pending.push_back(id);
        Ok(Submitted { task: record, created: true })
    }

    fn join_session(&mut self, spec: &domain::TaskSpec, now: Timestamp) -> Result<SessionId, SubmitError> {
        match &spec.session {
            SessionChoice::New | SessionChoice::Fork(_) => {
                let id = SessionId::for_task(&spec.task_id);
                if self.sessions.contains_key(&id) {
                    return Err(SubmitError::IdTaken);
                }
                self.last_session += 1;
                let session = Session {
                    number: self.last_session,
                    workspace: spec.workspace.clone(),
                    tasks: vec![spec.task_id.clone()],
                    created_at: now,
                    last_activity: now,
                    conversation: None,
                    holder: None,
                };
                self.sessions.insert(id.clone(), session);
                Ok(id)
            }
            SessionChoice::Reuse { id, .. } => {
                let session =
                    self.sessions.get_mut(id).ok_or_else(|| SubmitError::SessionUnknown(id.clone()))?;
                if session.workspace != spec.workspace {
                    return Err(SubmitError::SessionWorkspaceDiffers(session.workspace.clone()));
                }
                session.tasks.push(spec.task_id.clone());
                session.last_activity = now;
                Ok(id.clone())
            }
        }
    }

    pub(super) fn claim(&mut self, now: Timestamp) -> Option<Claimed> {
        let (place, id) = self.pending.iter().enumerate().find_map(|(place, id)| {
            let session = &self.tasks.get(id)?.record.session_id;
            let free = self.sessions.get(session).is_some_and(|session| session.holder.is_none());
            free.then(|| (place, id.clone()))
        })?;
        self.pending.remove(place);
        self.last_token += 1;
        let token = LeaseToken(self.last_token);
        let task = self.tasks.get_mut(&id)?;
        task.token = Some(token);
        task.record.status = TaskStatus::Running;
        task.record.started_at = Some(now);
        task.record.updated_at = now;
        let record = task.record.clone();
        let session = self.sessions.get_mut(&record.session_id)?;
        session.holder = Some(token);
        self.active_sessions += 1;
        self.running += 1;
        session.last_activity = now;
        let conversation = session.conversation;
        Some(Claimed { token, task: record, conversation })
    }

    pub(super) fn append(&mut self, command: Append) -> Result<(), CommitError> {
        let task = self.tasks.get_mut(&command.task_id).ok_or(CommitError::Unknown)?;
        task.check(Some(command.token), &command.events)?;
        let limit = self.retention.max_task_bytes;
        if task.bytes + bytes_of(&command.events) > limit {
            return Err(CommitError::LogFull { limit });
        }
        task.apply(command.events, command.progress, command.now);
        task.signal();
        Ok(())
    }

    pub(super) fn finish(&mut self, command: Finish) -> Result<(), CommitError> {
        let task = self.tasks.get_mut(&command.task_id).ok_or(CommitError::Unknown)?;
        task.check(command.token, &command.events)?;
        task.apply(command.events, command.progress, command.now);
        self.running -= usize::from(task.record.status == TaskStatus::Running);
        task.record.status = command.outcome.ending.status();
        task.bytes += outcome_bytes(&command.outcome);
        task.record.outcome = Some(command.outcome);
        task.signal();
        self.ended_bytes += task.bytes;
        let session_id = task.record.session_id.clone();
        self.pending.retain(|id| *id != command.task_id);
        self.ended.push_back(command.task_id);
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.last_activity = command.now;
        }
        self.drop_beyond_retention();
        Ok(())
    }

    fn drop_beyond_retention(&mut self) {
        // The newest is kept even when it alone is too large: its submitter has yet to read it.
        while self.ended.len() > 1
            && (self.ended.len() > self.retention.max_ended_tasks
                || self.ended_bytes > self.retention.max_ended_bytes)
        {
            let Some(task) = self.ended.pop_front().and_then(|id| self.tasks.remove(&id)) else { return };
            self.ended_bytes = self.ended_bytes.saturating_sub(task.bytes);
            let session_id = &task.record.session_id;
            if let Some(session) = self.sessions.get_mut(session_id) {
                session.tasks.retain(|kept| *kept != task.record.spec.task_id);
            }
            self.drop_session_without_tasks(session_id);
        }
    }

    fn drop_session_without_tasks(&mut self, id: &SessionId) {
        if self.sessions.get(id).is_some_and(|session| session.tasks.is_empty() && session.holder.is_none()) {
            self.sessions.remove(id);
        }
    }

    pub(super) fn release(&mut self, command: &Release) {
        let Some(session) = self.sessions.get_mut(&command.session_id) else { return };
        if session.holder == Some(command.token) {
            session.holder = None;
            self.active_sessions -= 1;
            session.conversation = command.conversation.or(session.conversation);
            session.last_activity = command.now;
        }
        self.drop_session_without_tasks(&command.session_id);
    }

    pub(super) fn request_interrupt(
        &mut self,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<Interrupted, InterruptError> {
        let task = self.tasks.get_mut(task).ok_or(InterruptError::Unknown)?;
        match task.record.status {
            TaskStatus::Pending => Ok(Interrupted::Pending(task.record.clone())),
            TaskStatus::Running => {
                task.record.interrupt_requested_at.get_or_insert(now);
                task.record.updated_at = now;
                task.signal();
                Ok(Interrupted::Running(task.record.clone()))
            }
            TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Interrupted => {
                Err(InterruptError::Ended)
            }
        }
    }

    pub(super) fn task(&self, task: &TaskId) -> Option<TaskRecord> {
        self.tasks.get(task).map(|task| task.record.clone())
    }

    pub(super) fn open_tasks(&self) -> Vec<TaskId> {
        let mut open: Vec<_> = self
            .tasks
            .values()
            .map(|task| &task.record)
            .filter(|record| !record.status.is_terminal())
            .collect();
        open.sort_by_key(|record| (record.created_at, record.spec.task_id.clone()));
        open.into_iter().map(|record| record.spec.task_id.clone()).collect()
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { waiting: self.pending.len(), running: self.running, active_sessions: self.active_sessions }
    }

    pub(super) fn sessions(&self) -> Vec<SessionRecord> {
        let record = |(id, session): (&SessionId, &Session)| SessionRecord {
            id: id.clone(),
            workspace: session.workspace.clone(),
            tasks: session.tasks.clone(),
            status: if session.holder.is_some() { SessionStatus::Active } else { SessionStatus::Idle },
            created_at: session.created_at,
            last_activity: session.last_activity,
        };
        let mut sessions: Vec<_> = self.sessions.iter().collect();
        sessions.sort_by_key(|(_, session)| session.number);
        sessions.into_iter().map(record).collect()
    }

    pub(super) fn delete_session(&mut self, id: &SessionId) -> Result<(), DeleteError> {
        let session = self.sessions.get(id).ok_or(DeleteError::Unknown)?;
        let is_open =
            |id: &&TaskId| self.tasks.get(*id).is_some_and(|task| !task.record.status.is_terminal());
        let open: Vec<_> = session.tasks.iter().filter(is_open).cloned().collect();
        if !open.is_empty() {
            return Err(DeleteError::Busy(open));
        }
        if session.holder.is_some() {
            return Err(DeleteError::Held);
        }
        self.sessions.remove(id);
        Ok(())
    }

    pub(super) fn read(&self, task: &TaskId, after: u64) -> Option<LogPage> {
        let task = self.tasks.get(task)?;
        let start = usize::try_from(after).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let fits = |event: &&EncodedEvent| {
            let first = bytes == 0;
            bytes += event.json.len();
            first || bytes <= PAGE_BYTES
        };
        let rest = task.events.get(start..).unwrap_or_default();
        let events: Vec<_> = rest.iter().take(PAGE_EVENTS).take_while(fits).cloned().collect();
        let complete = task.record.status.is_terminal() && events.len() == rest.len();
        Some(LogPage { events, complete })
    }

    pub(super) fn watch(&self, task: &TaskId) -> Option<watch::Receiver<Signal>> {
        self.tasks.get(task).map(|task| task.signal.subscribe())
    }
}

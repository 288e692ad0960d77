//! Admission.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{
    ConversationId, Progress, Questions, SessionChoice, SessionId, TaskId, TaskSpec, TaskStatus, Timestamp,
    WhenBusy,
};

use super::{Core, OpenSession};
use crate::queue::Going;
use crate::tables::{SessionRow, Tables, TaskRow};
use crate::{Doom, Submit, SubmitError, Submitted, TaskRecord};

/// Which session a task is to get.
enum Place {
    New { fork_from: Option<ConversationId> },
    Existing { id: SessionId, interrupt: bool },
}

impl<T: Tables> Core<T> {
    /// Admits a task.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn submit(&mut self, command: Submit) -> Result<Submitted, SubmitError> {
        let Submit { spec, max_pending, max_at_work, now } = command;
        if let Some(existing) = self.existing(&spec.task_id)? {
            let same = existing.task.spec.fingerprint == spec.fingerprint
                && existing.task.spec.principal == spec.principal;
            return if same { Ok(existing) } else { Err(SubmitError::IdTaken) };
        }
        let place = self.find_place(&spec)?;
        for dependency in &spec.schedule.depends_on {
            let task = self.task(dependency)?.filter(|task| task.spec.principal == spec.principal);
            if task.is_none() {
                return Err(SubmitError::DependencyUnknown(dependency.clone()));
            }
        }
        if self.is_full(max_pending, max_at_work) {
            return Err(SubmitError::QueueFull { waiting: self.queue.len() });
        }
        let task = self.admit(spec, place, now)?;
        Ok(Submitted { task, created: true })
    }

    /// Whether as many tasks wait as may. Who waits for nothing but to be claimed is looked for only when it matters.
    fn is_full(&self, most: usize, max_at_work: usize) -> bool {
        let (not_begun, waiting) = (self.queue.not_begun(), self.queue.len());
        // Those that were parked give no place free for ever: else there would be no end to them.
        let are_too_many = |going: Going| {
            not_begun - going.not_begun >= most || waiting - going.all >= most.saturating_mul(2)
        };
        let free = max_at_work.saturating_sub(self.queue.held());
        are_too_many(Going::default()) && (free == 0 || are_too_many(self.queue.going(free)))
    }

    fn find_place(&mut self, spec: &TaskSpec) -> Result<Place, SubmitError> {
        match &spec.session {
            SessionChoice::New => {
                let fork_from = None;
                self.check_new_session(&spec.task_id)?;
                Ok(Place::New { fork_from })
            }
            SessionChoice::Fork(origin) => self.find_fork(origin, spec),
            SessionChoice::Reuse { id, when_busy } => {
                self.find_session(id, spec)?;
                let busy =
                    self.sessions.get(id).map(|session| &session.tasks).filter(|tasks| !tasks.is_empty());
                match (busy, when_busy) {
                    (Some(tasks), WhenBusy::Reject) => {
                        Err(SubmitError::SessionBusy(tasks.values().cloned().collect()))
                    }
                    (Some(_), WhenBusy::Fork) => self.find_fork(id, spec),
                    (Some(_), WhenBusy::Interrupt) => Ok(Place::Existing { id: id.clone(), interrupt: true }),
                    _ => Ok(Place::Existing { id: id.clone(), interrupt: false }),
                }
            }
        }
    }

    fn check_new_session(&mut self, task: &TaskId) -> Result<(), SubmitError> {
        let id = SessionId::for_task(task);
        let taken = self.sessions.contains_key(&id) || self.tables.session(&id)?.is_some();
        if taken { Err(SubmitError::SessionTaken(id)) } else { Ok(()) }
    }

    /// The session to go on from, if it is the caller's and fits.
    fn find_session(&mut self, id: &SessionId, spec: &TaskSpec) -> Result<SessionRow, SubmitError> {
        let row = self.session_row(id)?.filter(|row| row.principal == spec.principal);
        let row = row.ok_or_else(|| SubmitError::SessionUnknown(id.clone()))?;
        if row.workspace != spec.workspace {
            return Err(SubmitError::SessionWorkspaceDiffers(row.workspace));
        }
        Ok(row)
    }

    fn find_fork(&mut self, origin: &SessionId, spec: &TaskSpec) -> Result<Place, SubmitError> {
        let row = self.find_session(origin, spec)?;
        self.check_new_session(&spec.task_id)?;
        let fork_from = self.conversation_of(&row);
        if fork_from.is_none() {
            return Err(SubmitError::NothingToFork(origin.clone()));
        }
        Ok(Place::New { fork_from })
    }

    /// What a fork of a session begins with a copy of.
    pub(super) fn conversation_of(&self, row: &SessionRow) -> Option<ConversationId> {
        let at_work = self.sessions.get(&row.id).and_then(|session| {
            session.tasks.values().find_map(|task| self.open.get(task)?.record.conversation)
        });
        row.conversation.or(at_work).or(row.fork_from)
    }

    fn admit(&mut self, spec: TaskSpec, place: Place, now: Timestamp) -> Result<TaskRecord, SubmitError> {
        let session_id = match place {
            Place::New { fork_from } => self.begin_session(&spec, fork_from, now)?,
            Place::Existing { id, interrupt } => {
                if interrupt {
                    self.interrupt_session(&id, now)?;
                }
                self.touch_session(&id, now)?;
                id
            }
        };
        self.counters.task += 1;
        let record = TaskRecord {
            session_id,
            spec: Arc::new(spec),
            status: TaskStatus::Pending,
            attempt: 0,
            failures: 0,
            waiting: None,
            questions: Questions::default(),
            conversation: None,
            progress: Progress::default(),
            cost_usd: 0.0,
            outcome: None,
            created_at: now,
            started_at: None,
            updated_at: now,
            tail: 0,
            interrupt_requested_at: None,
        };
        let bytes = record.spec.prompt.len() as u64;
        let row = TaskRow { number: self.counters.task, record, token: None, bytes };
        self.tables.insert_task(&row)?;
        self.notify(&row, now)?;
        self.news.tell(&row, None);
        self.open.insert(row.record.spec.task_id.clone(), row.clone());
        self.enter(&row)?;
        Ok(row.record)
    }

    fn begin_session(
        &mut self,
        spec: &TaskSpec,
        fork_from: Option<ConversationId>,
        now: Timestamp,
    ) -> Result<SessionId, SubmitError> {
        self.counters.session += 1;
        let row = SessionRow {
            id: SessionId::for_task(&spec.task_id),
            number: self.counters.session,
            principal: spec.principal.clone(),
            workspace: spec.workspace.clone(),
            conversation: None,
            fork_from,
            holder: None,
            created_at: now,
            last_activity: now,
        };
        let id = row.id.clone();
        self.tables.put_session(&row)?;
        self.sessions.insert(id.clone(), OpenSession { row, tasks: BTreeMap::new() });
        Ok(id)
    }

    fn touch_session(&mut self, id: &SessionId, now: Timestamp) -> Result<(), SubmitError> {
        if !self.sessions.contains_key(id)
            && let Some(row) = self.tables.session(id)?
        {
            self.sessions.insert(id.clone(), OpenSession { row, tasks: BTreeMap::new() });
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.row.last_activity = now;
            self.tables.put_session(&session.row)?;
        }
        Ok(())
    }

    /// Asks for the end of everything that runs or waits in a session.
    fn interrupt_session(&mut self, id: &SessionId, now: Timestamp) -> Result<(), SubmitError> {
        let tasks: Vec<_> = self
            .sessions
            .get(id)
            .map(|session| session.tasks.values().cloned().collect())
            .unwrap_or_default();
        for task in tasks {
            self.ask_to_stop(&task, now)?;
        }
        Ok(())
    }

    /// Records that a task is to be stopped, once.
    pub(super) fn ask_to_stop(&mut self, task: &TaskId, now: Timestamp) -> Result<(), crate::StoreError> {
        let Some(row) = self.open.get_mut(task) else { return Ok(()) };
        if row.record.interrupt_requested_at.is_some() {
            return Ok(());
        }
        row.record.interrupt_requested_at = Some(now);
        let row = row.clone();
        self.tables.update_task(&row)?;
        self.news.tell(&row, None);
        if row.token.is_none() {
            self.queue.doom(task, Doom::InterruptRequested);
            self.news.queue = true;
        }
        Ok(())
    }
}

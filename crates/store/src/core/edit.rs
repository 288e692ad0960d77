//! Changes that people make to what is there.

use std::sync::Arc;

use domain::{Priority, SessionId, TaskId, Timestamp};

use super::{Core, OpenSession};
use crate::tables::{EndedTask, SessionRow, Tables};
use crate::{ChangeError, CreateSession, CreateSessionError, DeleteTaskError, TaskRecord};

impl<T: Tables> Core<T> {
    /// Makes a waiting task more or less urgent.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn set_priority(
        &mut self,
        id: &TaskId,
        priority: Priority,
        now: Timestamp,
    ) -> Result<TaskRecord, ChangeError> {
        let Some(row) = self.open.get_mut(id) else {
            let row = self.tables.task(id)?.ok_or(ChangeError::Unknown)?;
            return Err(ChangeError::NotWaiting(row.record.status));
        };
        if row.token.is_some() {
            return Err(ChangeError::NotWaiting(row.record.status));
        }
        if row.record.spec.schedule.priority == priority {
            return Ok(row.record.clone());
        }
        Arc::make_mut(&mut row.record.spec).schedule.priority = priority;
        row.record.updated_at = now;
        let row = row.clone();
        self.tables.update_task(&row)?;
        self.tables.update_spec(&row)?;
        self.queue.remove(id);
        self.enqueue(&row)?;
        Ok(row.record)
    }

    /// Forgets a task that has ended, and its events. Its session stays.
    ///
    /// # Errors
    /// See [`DeleteTaskError`].
    pub fn delete_task(&mut self, id: &TaskId) -> Result<(), DeleteTaskError> {
        if let Some(row) = self.open.get(id) {
            return Err(DeleteTaskError::NotEnded(row.record.status));
        }
        let row = self.tables.task(id)?.ok_or(DeleteTaskError::Unknown)?;
        if self.queue.is_needed(id) {
            return Err(DeleteTaskError::Needed);
        }
        let ended = EndedTask {
            number: row.number,
            id: id.clone(),
            session: Some(row.record.session_id.clone()),
            ended_at: row.record.updated_at,
            bytes: row.bytes,
        };
        Ok(self.tables.drop_task(&ended, self.counters)?)
    }

    /// Makes a session before its first task.
    ///
    /// # Errors
    /// See [`CreateSessionError`].
    pub fn create_session(&mut self, command: CreateSession) -> Result<SessionRow, CreateSessionError> {
        let CreateSession { id, principal, workspace, fork, now } = command;
        if self.session_row(&id)?.is_some() {
            return Err(CreateSessionError::IdTaken);
        }
        let origin = match fork {
            Some(fork) => {
                let row = self.session_row(&fork)?.filter(|row| row.principal == principal);
                Some(row.ok_or(CreateSessionError::ForkUnknown(fork))?)
            }
            None => None,
        };
        let fork_from = match &origin {
            Some(row) => {
                let found = self.conversation_of(row);
                Some(found.ok_or_else(|| CreateSessionError::NothingToFork(row.id.clone()))?)
            }
            None => None,
        };
        let workspace =
            origin.map(|row| row.workspace).or(workspace).ok_or(CreateSessionError::NoWorkspace)?;
        self.counters.session += 1;
        let row = SessionRow {
            id,
            number: self.counters.session,
            principal,
            workspace,
            conversation: None,
            fork_from,
            holder: None,
            created_at: now,
            last_activity: now,
        };
        self.tables.put_session(&row)?;
        Ok(row)
    }

    /// A session, whether something goes on in it or not.
    pub(super) fn session_row(&mut self, id: &SessionId) -> Result<Option<SessionRow>, crate::StoreError> {
        match self.sessions.get(id) {
            Some(OpenSession { row, .. }) => Ok(Some(row.clone())),
            None => self.tables.session(id),
        }
    }
}

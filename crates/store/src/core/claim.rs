//! Leases: who may run what.

use domain::{Answer, SessionId, TaskStatus, Timestamp};

use super::{Core, share_of};
use crate::tables::Tables;
use crate::{Claim, Claimed, Release, StoreError};

impl<T: Tables> Core<T> {
    /// Hands out the task whose turn it is.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn claim(&mut self, ticket: u64, now: Timestamp) -> Result<Claim, StoreError> {
        if let Some(claimed) = self.claimed_with(ticket) {
            return Ok(Claim::Task(Box::new(claimed.clone())));
        }
        let Some(task) = self.queue.next(now) else {
            return Ok(Claim::Nothing { until: self.queue.next_time() });
        };
        let token = self.new_token();
        self.queue.remove(&task);
        let Some(row) = self.open.get_mut(&task) else {
            return Err(StoreError(format!("the task {task} waits and is not there")));
        };
        row.token = Some(token);
        row.record.status = TaskStatus::Running;
        row.record.attempt += 1;
        row.record.started_at.get_or_insert(now);
        row.record.updated_at = now;
        let after = row.record.waiting.take().map(|waiting| waiting.reason);
        let is_unanswered = row.record.questions.open.is_some();
        // Its time is up: what was asked has no answer.
        row.record.questions.answer(Answer::expired(), now);
        let row = row.clone();
        self.running += 1;
        self.queue.set_at_work(&share_of(&row.record), true);
        self.tables.update_task(&row)?;
        if is_unanswered {
            self.tables.update_questions(&row)?;
        }
        self.notify(&row, now)?;
        let id = row.record.session_id.clone();
        self.queue.set_held(&id, true);
        let Some(session) = self.sessions.get_mut(&id) else {
            return Err(StoreError(format!("the session {id} is not there")));
        };
        session.row.holder = Some(token);
        session.row.last_activity = now;
        let (conversation, fork_from) = (session.row.conversation, session.row.fork_from);
        self.tables.put_session(&session.row)?;
        let claimed = Claimed { token, task: row.record, conversation, fork_from, after };
        self.last_claim = Some((ticket, claimed.clone()));
        Ok(Claim::Task(Box::new(claimed)))
    }

    /// What this ticket has got already. A claim that was rolled back did not happen: the row says which did.
    fn claimed_with(&self, ticket: u64) -> Option<&Claimed> {
        let (_, claimed) = self.last_claim.as_ref().filter(|(last, _)| *last == ticket)?;
        let row = self.open.get(&claimed.task.spec.task_id)?;
        (row.token == Some(claimed.token)).then_some(claimed)
    }

    /// Gives a session back.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn release(&mut self, command: &Release) -> Result<(), StoreError> {
        let id = &command.session_id;
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        if session.row.holder != Some(command.token) {
            return Ok(());
        }
        session.row.holder = None;
        session.row.conversation = command.conversation.or(session.row.conversation);
        session.row.last_activity = command.now;
        self.write_session(id)?;
        self.queue.set_held(id, false);
        self.news.queue = true;
        Ok(())
    }

    /// Takes over what leases of an earlier opening hold, and tells again what was taken over and is still held.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn take_over(&mut self, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        let held = self.sessions.values().filter_map(|session| {
            // A task that runs in a session that was given back too early would otherwise run for ever.
            let mut tokens = session.tasks.values().filter_map(|task| self.open.get(task)?.token);
            let is_wanted = tokens.any(|token| self.is_stale(token))
                || session
                    .row
                    .holder
                    .is_some_and(|token| self.is_stale(token) || self.taken_over.contains(&token));
            is_wanted.then(|| session.row.id.clone())
        });
        let mut taken = Vec::new();
        for id in held.collect::<Vec<_>>() {
            taken.extend(self.take_over_session(&id, now)?);
        }
        taken.sort_by_key(|claimed| (claimed.task.created_at, claimed.task.spec.task_id.clone()));
        Ok(taken)
    }

    fn take_over_session(&mut self, id: &SessionId, now: Timestamp) -> Result<Option<Claimed>, StoreError> {
        let known = self.sessions.get(id).and_then(|session| session.row.holder);
        let known = known.filter(|token| self.taken_over.contains(token));
        let token = known.unwrap_or_else(|| self.new_token());
        let Some(session) = self.sessions.get_mut(id) else { return Ok(None) };
        let running =
            session.tasks.values().find(|task| self.open.get(*task).is_some_and(|row| row.token.is_some()));
        let Some(task) = running.cloned() else {
            // Its task had ended or was put back; only the release is missing.
            session.row.holder = None;
            self.write_session(id)?;
            self.queue.set_held(id, false);
            self.news.queue = true;
            return Ok(None);
        };
        self.taken_over.insert(token);
        session.row.holder = Some(token);
        session.row.last_activity = now;
        let (conversation, fork_from) = (session.row.conversation, session.row.fork_from);
        self.tables.put_session(&session.row)?;
        self.queue.set_held(id, true);
        let Some(row) = self.open.get_mut(&task) else { return Ok(None) };
        row.token = Some(token);
        self.tables.update_task(row)?;
        let task = row.record.clone();
        Ok(Some(Claimed { token, task, conversation, fork_from, after: None }))
    }
}

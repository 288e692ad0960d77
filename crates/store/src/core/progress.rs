//! What becomes of a running task.

use std::sync::Arc;

use domain::{Answer, LeaseToken, Outcome, QuestionId, TaskId, TaskStatus, Timestamp};

use super::{Core, share_of};
use crate::tables::{Tables, TaskRow};
use crate::{
    AnswerError, Append, CommitError, Doom, EventBatch, Finish, InterruptError, Interrupted, PutBack,
    StoreError, TaskRecord,
};

fn check(row: &TaskRow, token: Option<LeaseToken>, events: &EventBatch) -> Result<(), CommitError> {
    if row.token != token {
        return Err(CommitError::Fenced);
    }
    if !events.is_empty() && events.first() != row.record.tail + 1 {
        return Err(CommitError::Sequence { tail: row.record.tail, first: events.first() });
    }
    Ok(())
}

fn outcome_bytes(outcome: &Outcome) -> u64 {
    (outcome.summary.len() + outcome.errors.iter().map(String::len).sum::<usize>()) as u64
}

impl<T: Tables> Core<T> {
    fn held(&mut self, task: &TaskId) -> Result<&mut TaskRow, CommitError> {
        if !self.open.contains_key(task) {
            let ended = self.tables.task(task)?.is_some();
            return Err(if ended { CommitError::Fenced } else { CommitError::Unknown });
        }
        self.open.get_mut(task).ok_or(CommitError::Unknown)
    }

    /// Adds events to a running task.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn append(&mut self, command: Append) -> Result<(), CommitError> {
        let task = command.task_id.clone();
        self.add(command)?;
        let row = self.open.get(&task).ok_or(CommitError::Unknown)?;
        self.tables.update_task(row)?;
        Ok(())
    }

    /// Checks, changes the row and adds the events; the row is still to be written.
    fn add(&mut self, command: Append) -> Result<(), CommitError> {
        let limit = self.settings.max_task_bytes;
        let row = self.held(&command.task_id)?;
        check(row, Some(command.token), &command.events)?;
        if row.bytes + command.events.bytes().len() as u64 > limit {
            return Err(CommitError::LogFull { limit });
        }
        row.record.progress = command.progress;
        row.record.cost_usd = command.cost_usd;
        row.record.conversation = command.conversation.or(row.record.conversation);
        self.add_events(&command.task_id, command.events, command.now).map_err(Into::into)
    }

    fn add_events(&mut self, task: &TaskId, events: EventBatch, now: Timestamp) -> Result<(), StoreError> {
        let Some(row) = self.open.get_mut(task) else {
            return Err(StoreError(format!("the task {task} is open and is not there")));
        };
        row.record.updated_at = now;
        if events.is_empty() {
            return Ok(());
        }
        row.bytes += events.bytes().len() as u64;
        row.record.tail = events.next() - 1;
        self.counters.position += events.len() as u64;
        self.news.position = self.counters.position;
        self.tables.add_events(row, self.counters.position, &events)?;
        self.news.tell(row, Some(Arc::new(events)));
        Ok(())
    }

    /// Ends a task.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn finish(&mut self, command: Finish) -> Result<(), CommitError> {
        let Finish { task_id, token, events, progress, outcome, now } = command;
        let row = self.held(&task_id)?;
        check(row, token, &events)?;
        row.bytes += outcome_bytes(&outcome);
        row.record.progress = progress;
        row.record.cost_usd = outcome.total_cost_usd;
        row.record.status = outcome.ending.status();
        row.record.outcome = Some(outcome);
        row.record.waiting = None;
        let was_unanswered = row.record.questions.open.take().is_some();
        row.token = None;
        self.add_events(&task_id, events, now)?;
        let row = self.open.remove(&task_id).ok_or(CommitError::Unknown)?;
        self.tables.update_task(&row)?;
        if was_unanswered {
            self.tables.update_questions(&row)?;
        }
        if token.is_some() {
            self.running -= 1;
            self.queue.set_at_work(&share_of(&row.record), false);
        } else {
            self.queue.remove(&task_id);
        }
        let status = row.record.status;
        let doom = (status != TaskStatus::Completed).then(|| Doom::DependencyEnded(task_id.clone(), status));
        self.queue.dependency_ended(&task_id, doom.as_ref());
        self.news.queue = true;
        self.leave_session(&row, now)?;
        Ok(())
    }

    /// An ended task leaves its session; the conversation that it has carried on is the one to go on with.
    fn leave_session(&mut self, row: &TaskRow, now: Timestamp) -> Result<(), StoreError> {
        let id = &row.record.session_id;
        let Some(session) = self.sessions.get_mut(id) else { return Ok(()) };
        session.tasks.remove(&row.number);
        session.row.last_activity = now;
        if row.record.progress.turns > 0 {
            session.row.conversation = row.record.conversation.or(session.row.conversation);
        }
        self.write_session(id)
    }

    /// Lets a running task wait for another attempt.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn put_back(&mut self, command: PutBack) -> Result<(), CommitError> {
        let PutBack { append, waiting, failed, question } = command;
        let (task_id, now) = (append.task_id.clone(), append.now);
        self.add(append)?;
        let Some(row) = self.open.get_mut(&task_id) else { return Err(CommitError::Unknown) };
        row.token = None;
        row.record.waiting = Some(waiting);
        row.record.failures += u32::from(failed);
        row.record.questions.open = question.map(Box::new);
        let row = row.clone();
        self.tables.update_task(&row)?;
        if row.record.questions.open.is_some() {
            self.tables.update_questions(&row)?;
        }
        self.notify(&row, now)?;
        self.running -= 1;
        self.queue.set_at_work(&share_of(&row.record), false);
        self.enqueue(&row)?;
        Ok(())
    }

    /// Takes the answer to a question: the task goes on as soon as it can. The same answer may be given again.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn answer(
        &mut self,
        id: &TaskId,
        question: QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<TaskRecord, AnswerError> {
        let Some(row) = self.open.get_mut(id) else {
            let row = self.tables.task(id)?.ok_or(AnswerError::UnknownTask)?;
            return Err(AnswerError::Ended(row.record.status));
        };
        let questions = &mut row.record.questions;
        if let Some(known) = questions.answered.iter().find(|known| known.question.id == question) {
            let same = known.answer == answer;
            return if same { Ok(row.record.clone()) } else { Err(AnswerError::AlreadyAnswered) };
        }
        if questions.open.as_ref().is_none_or(|open| open.id != question) {
            return Err(AnswerError::UnknownQuestion);
        }
        questions.answer(answer, now);
        row.record.updated_at = now;
        if let Some(waiting) = &mut row.record.waiting {
            waiting.until = now;
        }
        let row = row.clone();
        self.tables.update_task(&row)?;
        self.tables.update_questions(&row)?;
        self.notify(&row, now)?;
        self.queue.remove(id);
        self.enqueue(&row)?;
        Ok(row.record)
    }

    /// Records the wish to stop a task.
    ///
    /// # Errors
    /// See [`InterruptError`].
    pub fn request_interrupt(&mut self, id: &TaskId, now: Timestamp) -> Result<Interrupted, InterruptError> {
        if !self.open.contains_key(id) {
            let row = self.tables.task(id)?.ok_or(InterruptError::Unknown)?;
            return Err(InterruptError::Ended(row.record.status));
        }
        self.ask_to_stop(id, now)?;
        let row = self.open.get(id).ok_or(InterruptError::Unknown)?;
        let record = row.record.clone();
        Ok(if row.token.is_some() { Interrupted::Running(record) } else { Interrupted::Waiting(record) })
    }
}

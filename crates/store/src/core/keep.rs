//! Retention: what is no longer kept.

use std::collections::BTreeSet;

use domain::{SessionId, Timestamp};

use super::{Core, deleted};
use crate::tables::{EndedTask, Tables};
use crate::{Dropped, EndedPlace, PASSED_OVER_AT_ONCE, Retention, StoreError};

/// What there is of ended tasks, and how much of it is to be kept.
struct Kept<'a> {
    retention: &'a Retention,
    now: Timestamp,
    tasks: u64,
    bytes: u64,
}

impl Kept<'_> {
    /// Whether the oldest task is beyond what is to be kept.
    fn is_beyond(&self, oldest: &EndedTask) -> bool {
        let age = self.now.since(oldest.ended_at);
        let too_old = self.retention.max_age.is_some_and(|most| age > most);
        // The newest is kept even when it alone is too large: its submitter has yet to read it.
        let too_large = self.bytes > self.retention.max_bytes && self.tasks > 1;
        age >= self.retention.min_age && (too_old || too_large || self.tasks > self.retention.max_tasks)
    }

    fn without(&mut self, task: &EndedTask) {
        self.tasks -= 1;
        self.bytes = self.bytes.saturating_sub(task.bytes);
    }
}

impl<T: Tables> Core<T> {
    /// Drops what is beyond the retention, oldest first, at most so many tasks. What is still needed is passed over.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn drop_beyond(
        &mut self,
        retention: &Retention,
        now: Timestamp,
        after: Option<EndedPlace>,
        most: usize,
    ) -> Result<Dropped, StoreError> {
        let mut dropped = self.drop_old_sessions(retention, now, most)?;
        let (tasks, bytes) = self.tables.ended_weight()?;
        let mut kept = Kept { retention, now, tasks, bytes };
        let (mut place, mut passed_over, mut emptied) = (after, 0, BTreeSet::new());
        while dropped.tasks < most && passed_over < PASSED_OVER_AT_ONCE {
            let task = self.tables.next_ended(place.as_ref())?;
            let Some(task) = task.filter(|task| kept.is_beyond(task)) else {
                place = None;
                break;
            };
            place = Some(task.place());
            if self.is_still_needed(&task)? {
                passed_over += 1;
                continue;
            }
            self.tables.drop_task(&task, self.counters)?;
            kept.without(&task);
            dropped.tasks += 1;
            emptied.extend(task.session);
        }
        dropped.next = place;
        for session in emptied {
            self.drop_empty_session(&session, &mut dropped)?;
        }
        Ok(dropped)
    }

    /// Drops sessions that have no tasks and in which nothing has happened for too long.
    fn drop_old_sessions(
        &mut self,
        retention: &Retention,
        now: Timestamp,
        most: usize,
    ) -> Result<Dropped, StoreError> {
        let mut dropped = Dropped::default();
        if let Some(age) = retention.max_age {
            for session in self.tables.empty_sessions(now.before(age), most)? {
                self.drop_empty_session(&session, &mut dropped)?;
            }
        }
        Ok(dropped)
    }

    fn is_still_needed(&mut self, task: &EndedTask) -> Result<bool, StoreError> {
        if self.queue.is_needed(&task.id) {
            return Ok(true);
        }
        task.session.as_ref().map_or(Ok(false), |session| self.is_to_be_forked(session))
    }

    /// Whether a waiting task is to go on from a copy of a session's conversation.
    fn is_to_be_forked(&mut self, id: &SessionId) -> Result<bool, StoreError> {
        let conversation = match self.sessions.get(id) {
            Some(open) => open.row.conversation,
            None => self.tables.session(id)?.and_then(|row| row.conversation),
        };
        Ok(match conversation {
            Some(conversation) => !self.tables.forks_of(conversation)?.is_empty(),
            None => false,
        })
    }

    fn drop_empty_session(&mut self, id: &SessionId, dropped: &mut Dropped) -> Result<(), StoreError> {
        if self.sessions.contains_key(id) || self.tables.last_task(id)?.is_some() {
            return Ok(());
        }
        let Some(row) = self.tables.session(id)? else { return Ok(()) };
        self.tables.delete_session(id)?;
        dropped.sessions.push(deleted(row));
        Ok(())
    }
}

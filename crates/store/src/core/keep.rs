//! Retention: what is no longer kept.

use std::collections::BTreeSet;

use domain::{SessionId, Timestamp};

use super::{Core, deleted};
use crate::tables::Tables;
use crate::{Dropped, Retention, StoreError};

impl<T: Tables> Core<T> {
    /// Drops what is beyond the retention, oldest first, at most so many tasks.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn drop_beyond(
        &mut self,
        retention: &Retention,
        now: Timestamp,
        most: usize,
    ) -> Result<Dropped, StoreError> {
        let mut dropped = Dropped::default();
        let mut sessions = BTreeSet::new();
        if let Some(age) = retention.max_age {
            sessions.extend(self.tables.empty_sessions(now.before(age), most)?);
        }
        for session in std::mem::take(&mut sessions) {
            if !self.is_to_be_forked(&session)? {
                self.drop_empty_session(&session, &mut dropped)?;
            }
        }
        let (mut tasks, mut bytes) = self.tables.ended_weight()?;
        if tasks == 0 {
            return Ok(dropped);
        }
        for task in self.tables.oldest_ended(most)? {
            let too_old = retention.max_age.is_some_and(|age| now.since(task.ended_at) > age);
            // The newest is kept even when it alone is too large: its submitter has yet to read it.
            let too_much = tasks > retention.max_tasks || (bytes > retention.max_bytes && tasks > 1);
            let too_young = now.since(task.ended_at) < retention.min_age;
            if too_young || (!too_old && !too_much) {
                break;
            }
            if self.queue.is_needed(&task.id) || self.is_to_be_forked(&task.session)? {
                continue;
            }
            self.tables.drop_task(&task, self.counters)?;
            tasks -= 1;
            bytes = bytes.saturating_sub(task.bytes);
            dropped.tasks += 1;
            sessions.insert(task.session);
        }
        for session in sessions {
            self.drop_empty_session(&session, &mut dropped)?;
        }
        Ok(dropped)
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

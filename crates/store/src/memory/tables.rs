//! The rows, as maps.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use domain::{ConversationId, SessionId, TaskId, TaskStatus, Timestamp};

use crate::feed::FeedBuilder;
use crate::tables::{Counters, EndedTask, SessionRow, Tables, TaskRow};
use crate::{
    EndedPlace, EventBatch, FeedFilter, FeedPage, LOOKED_AT, SessionRecord, Signal, StoreError, TaskOrder,
    TaskPage, TaskQuery,
};

#[derive(Debug)]
struct StoredTask {
    row: TaskRow,
    /// Its events, by the place of the last one in the feed.
    log: BTreeMap<u64, EventBatch>,
    notices: Vec<u64>,
}

/// An entry of the feed: whose it is, the status after it, and a notice's text.
#[derive(Debug)]
struct Stored {
    task: TaskId,
    status: TaskStatus,
    notice: Option<Bytes>,
}

#[derive(Debug, Default)]
pub(super) struct MemoryTables {
    counters: Counters,
    tasks: HashMap<TaskId, StoredTask>,
    sessions: HashMap<SessionId, (SessionRow, BTreeMap<u64, TaskId>)>,
    feed: BTreeMap<u64, Stored>,
    ended: BTreeSet<EndedPlace>,
    ended_bytes: u64,
}

impl MemoryTables {
    pub(super) fn new(counters: Counters) -> Self {
        Self { counters, ..Self::default() }
    }

    /// Everything, as another process would find it.
    #[cfg(any(test, feature = "conformance"))]
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// A task's events, and where it is.
    pub(super) fn log(&self, task: &TaskId) -> Option<(impl Iterator<Item = &EventBatch>, Signal)> {
        let stored = self.tasks.get(task)?;
        let record = &stored.row.record;
        let signal =
            Signal { tail: record.tail, ended: record.status.is_terminal(), interrupt_requested: false };
        Some((stored.log.values(), signal))
    }

    pub(super) fn feed(&self, after: u64, filter: &FeedFilter) -> FeedPage {
        let mut page = FeedBuilder::new(after);
        for (position, stored) in self.feed.range((Bound::Excluded(after), Bound::Unbounded)) {
            if page.is_full() {
                break;
            }
            let Some(task) = self.tasks.get(&stored.task) else { continue };
            let record = &task.row.record;
            let wanted = filter.admits(&record.spec, &record.session_id, stored.status);
            match (&stored.notice, task.log.get(position)) {
                (Some(_), _) if !wanted => page.skip(*position, 1),
                (Some(notice), _) => page.notice(*position, notice.clone()),
                (None, Some(events)) if !wanted => page.skip(*position, events.len()),
                (None, Some(events)) => page.events(*position, events),
                (None, None) => {}
            }
        }
        page.finish()
    }

    pub(super) fn list(&self, query: &TaskQuery) -> TaskPage {
        let numbers = self.tasks.iter().map(|(id, task)| (task.row.number, id));
        let mut numbers: Vec<_> = match (query.order, query.after) {
            (_, None) => numbers.collect(),
            (TaskOrder::NewestFirst, Some(after)) => numbers.filter(|(number, _)| *number < after).collect(),
            (TaskOrder::OldestFirst, Some(after)) => numbers.filter(|(number, _)| *number > after).collect(),
        };
        numbers.sort_unstable();
        if query.order == TaskOrder::NewestFirst {
            numbers.reverse();
        }
        let mut page = TaskPage { tasks: Vec::new(), next: None };
        let mut last = None;
        for (looked_at, (number, id)) in numbers.into_iter().enumerate() {
            if page.tasks.len() == query.most || looked_at == LOOKED_AT {
                page.next = last;
                break;
            }
            last = Some(number);
            let record = self.tasks.get(id).map(|task| &task.row.record);
            page.tasks.extend(record.filter(|record| query.filter.admits(record)).cloned());
        }
        page
    }

    fn stored(&mut self, task: &TaskId) -> Result<&mut StoredTask, StoreError> {
        self.tasks.get_mut(task).ok_or_else(|| StoreError(format!("the task {task} is not there")))
    }
}

impl Tables for MemoryTables {
    fn open(&mut self) -> Result<Counters, StoreError> {
        self.counters.opened += 1;
        self.counters.position = self.feed.keys().next_back().copied().unwrap_or(self.counters.position);
        Ok(self.counters)
    }

    fn open_tasks(&mut self) -> Result<Vec<TaskRow>, StoreError> {
        let open = self.tasks.values().map(|task| &task.row);
        let open = open.filter(|row| !row.record.status.is_terminal());
        let mut rows: Vec<_> = open.cloned().collect();
        rows.sort_by_key(|row| row.number);
        Ok(rows)
    }

    fn held_sessions(&mut self) -> Result<Vec<SessionRow>, StoreError> {
        let rows = self.sessions.values().map(|(row, _)| row);
        Ok(rows.filter(|row| row.holder.is_some()).cloned().collect())
    }

    fn task(&mut self, id: &TaskId) -> Result<Option<TaskRow>, StoreError> {
        Ok(self.tasks.get(id).map(|task| task.row.clone()))
    }

    fn insert_task(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        let id = row.record.spec.task_id.clone();
        self.counters.task = row.number;
        if let Some((_, tasks)) = self.sessions.get_mut(&row.record.session_id) {
            tasks.insert(row.number, id.clone());
        }
        self.tasks.insert(id, StoredTask { row: row.clone(), log: BTreeMap::new(), notices: Vec::new() });
        Ok(())
    }

    fn update_task(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        let id = row.record.spec.task_id.clone();
        self.stored(&id)?.row = row.clone();
        if row.record.status.is_terminal() {
            self.ended.insert(EndedPlace { at: row.record.updated_at, number: row.number, task: id });
            self.ended_bytes += row.bytes;
        }
        Ok(())
    }

    fn update_spec(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        let id = row.record.spec.task_id.clone();
        self.stored(&id)?.row.record.spec = Arc::clone(&row.record.spec);
        Ok(())
    }

    fn update_questions(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        let id = row.record.spec.task_id.clone();
        self.stored(&id)?.row.record.questions = row.record.questions.clone();
        Ok(())
    }

    fn add_events(&mut self, row: &TaskRow, last: u64, events: &EventBatch) -> Result<(), StoreError> {
        let (task, status) = (row.record.spec.task_id.clone(), row.record.status);
        self.stored(&task)?.log.insert(last, events.clone());
        self.feed.insert(last, Stored { task, status, notice: None });
        Ok(())
    }

    fn add_notice(&mut self, row: &TaskRow, position: u64, notice: Bytes) -> Result<(), StoreError> {
        let (task, status) = (row.record.spec.task_id.clone(), row.record.status);
        self.stored(&task)?.notices.push(position);
        self.feed.insert(position, Stored { task, status, notice: Some(notice) });
        Ok(())
    }

    fn session(&mut self, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.sessions.get(id).map(|(row, _)| row.clone()))
    }

    fn last_task(&mut self, id: &SessionId) -> Result<Option<TaskRow>, StoreError> {
        let last = self.sessions.get(id).and_then(|(_, tasks)| tasks.values().next_back());
        Ok(last.and_then(|task| self.tasks.get(task)).map(|task| task.row.clone()))
    }

    fn forks_of(&mut self, conversation: ConversationId) -> Result<Vec<SessionId>, StoreError> {
        let rows = self.sessions.values().map(|(row, _)| row);
        let rows = rows.filter(|row| row.conversation.is_none() && row.fork_from == Some(conversation));
        Ok(rows.map(|row| row.id.clone()).collect())
    }

    fn empty_sessions(&mut self, since: Timestamp, most: usize) -> Result<Vec<SessionId>, StoreError> {
        let unbegun = self.sessions.values().filter(|(row, _)| row.conversation.is_none());
        let to_be_copied: HashSet<_> = unbegun.filter_map(|(row, _)| row.fork_from).collect();
        let empty = self.sessions.values().filter(|(_, tasks)| tasks.is_empty()).map(|(row, _)| row);
        let empty = empty.filter(|row| row.holder.is_none() && row.last_activity < since);
        let empty = empty.filter(|row| row.conversation.is_none_or(|own| !to_be_copied.contains(&own)));
        let mut empty: Vec<_> = empty.map(|row| (row.last_activity, row.id.clone())).collect();
        empty.sort_unstable();
        Ok(empty.into_iter().take(most).map(|(_, id)| id).collect())
    }

    fn put_session(&mut self, row: &SessionRow) -> Result<(), StoreError> {
        self.counters.session = self.counters.session.max(row.number);
        let (stored, _) =
            self.sessions.entry(row.id.clone()).or_insert_with(|| (row.clone(), BTreeMap::new()));
        *stored = row.clone();
        Ok(())
    }

    fn delete_session(&mut self, id: &SessionId) -> Result<(), StoreError> {
        self.sessions.remove(id);
        Ok(())
    }

    fn sessions(&mut self) -> Result<Vec<SessionRecord>, StoreError> {
        let mut sessions: Vec<_> = self.sessions.values().collect();
        sessions.sort_by_key(|(row, _)| row.number);
        let record = |(row, tasks): &(SessionRow, BTreeMap<u64, TaskId>)| SessionRecord {
            tasks: tasks.values().cloned().collect(),
            ..row.clone().into()
        };
        Ok(sessions.into_iter().map(record).collect())
    }

    fn ended_weight(&mut self) -> Result<(u64, u64), StoreError> {
        Ok((self.ended.len() as u64, self.ended_bytes))
    }

    fn next_ended(&mut self, after: Option<&EndedPlace>) -> Result<Option<EndedTask>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let Some(place) = self.ended.range((from, Bound::Unbounded)).next() else { return Ok(None) };
        let Some(StoredTask { row, .. }) = self.tasks.get(&place.task) else { return Ok(None) };
        let session = self.sessions.get_key_value(&row.record.session_id);
        let session = session.filter(|(_, (_, tasks))| tasks.contains_key(&row.number));
        Ok(Some(EndedTask {
            number: row.number,
            id: place.task.clone(),
            session: session.map(|(id, _)| id.clone()),
            ended_at: place.at,
            bytes: row.bytes,
        }))
    }

    fn drop_task(&mut self, task: &EndedTask, counters: Counters) -> Result<(), StoreError> {
        let opened = self.counters.opened;
        self.counters = Counters { opened, ..counters };
        self.ended.remove(&task.place());
        self.ended_bytes = self.ended_bytes.saturating_sub(task.bytes);
        if let Some(stored) = self.tasks.remove(&task.id) {
            for position in stored.log.keys().chain(&stored.notices) {
                self.feed.remove(position);
            }
        }
        if let Some((_, tasks)) = task.session.as_ref().and_then(|session| self.sessions.get_mut(session)) {
            tasks.remove(&task.number);
        }
        Ok(())
    }
}

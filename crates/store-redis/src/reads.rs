//! What is looked up, and what readers share of it.

use std::sync::Arc;

use bytes::Bytes;
use domain::{SessionId, TaskId, Timestamp};
use redis::Value;
use store::{
    Counts, Doomed, EventBatch, LogBuilder, LogPage, SessionRecord, Signal, StoreError, TaskRecord, settled,
};
use tokio::sync::watch;

use crate::bus::{self, Standing};
use crate::commands::task_ids;
use crate::reply::Items;
use crate::rows;
use crate::store::Shared;

/// Some of a task's events, and which task it is and where.
struct Stored {
    number: u64,
    signal: Signal,
    batches: Vec<Arc<EventBatch>>,
}

impl Stored {
    fn page(&self, after: u64) -> LogPage {
        let mut page = LogBuilder::new(after);
        for batch in &self.batches {
            if !page.push(batch) {
                break;
            }
        }
        page.finish(self.signal)
    }
}

impl Shared {
    /// Some tasks; those that are not there are left out.
    pub(crate) async fn tasks_by_id(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        let mut call = self.link.call(&self.scripts.rows);
        for id in ids {
            call.arg(id.as_str());
        }
        let found = Items::of(self.link.ask(&call).await?)?.each(Items::fields)?;
        found.iter().filter(|fields| !fields.is_empty()).map(rows::task).collect()
    }

    pub(crate) async fn task(&self, id: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        Ok(self.tasks_by_id(std::slice::from_ref(id)).await?.pop())
    }

    pub(crate) async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(format!("{}open", self.link.prefix)).arg(0).arg(-1);
        task_ids(Items::of(self.link.send(&command).await?)?)
    }

    pub(crate) async fn doomed(&self) -> Result<Vec<Doomed>, StoreError> {
        let found = Items::of(self.link.ask(&self.link.call(&self.scripts.doomed)).await?)?;
        found.each(|items| {
            let fields = items.fields()?;
            let reason = rows::doom(&fields)?;
            let odd = || StoreError("redis holds a doomed task without a reason".into());
            Ok(Doomed { task: rows::task(&fields)?, reason: reason.ok_or_else(odd)? })
        })
    }

    pub(crate) async fn tasks_ahead(&self, task: &TaskId) -> Result<Option<usize>, StoreError> {
        let mut call = self.link.call(&self.scripts.ahead);
        call.arg(task.as_str());
        Ok(match self.link.ask(&call).await? {
            Value::Int(ahead) => Some(usize::try_from(ahead).unwrap_or_default()),
            _ => None,
        })
    }

    /// Finds out whether Redis takes writes.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let mut call = self.link.call(&self.scripts.probe);
        call.arg(&*self.membership.id());
        self.link.commit(&call).await.map(drop)
    }

    pub(crate) async fn counts(&self, now: Timestamp) -> Result<Counts, StoreError> {
        let mut call = self.link.call(&self.scripts.counts);
        call.arg(now.millis());
        let mut items = Items::of(self.link.ask(&call).await?)?;
        Ok(Counts {
            waiting: items.number()?,
            scheduled: items.number()?,
            running: items.number()?,
            parked: items.number()?,
            active_sessions: items.number()?,
        })
    }

    /// Sessions: one, or those after a number, and the number of the last.
    async fn sessions_of(&self, id: &str, after: u64) -> Result<Vec<(u64, SessionRecord)>, StoreError> {
        let mut call = self.link.call(&self.scripts.list_sessions);
        call.arg(id).arg(after);
        Items::of(self.link.ask(&call).await?)?.each(|items| {
            let mut items = items.items()?;
            let fields = items.fields()?;
            let tasks = task_ids(items.items()?)?;
            Ok((rows::session_number(&fields)?, rows::session(&fields, tasks)?))
        })
    }

    pub(crate) async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        Ok(self.sessions_of(id.as_str(), 0).await?.pop().map(|(_, session)| session))
    }

    pub(crate) async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let some = self.sessions_of("", after).await?;
            let Some((last, _)) = some.last() else { return Ok(found) };
            after = *last;
            found.extend(some.into_iter().map(|(_, session)| session));
        }
    }

    /// A page of a task's log: what the readers of this server share, or what one of them reads for all.
    pub(crate) async fn read(&self, task: &TaskId, after: u64) -> Result<Option<LogPage>, StoreError> {
        let Some(followed) = self.live.find(task) else {
            return Ok(self.read_stored(task, after).await?.map(|stored| stored.page(after)));
        };
        if let Some(page) = followed.read(after) {
            return Ok(Some(page));
        }
        let _reading = followed.fetching.lock().await;
        if let Some(page) = followed.read(after) {
            return Ok(Some(page));
        }
        let Some(stored) = self.read_stored(task, after).await? else { return Ok(None) };
        if followed.is_of(stored.number, stored.signal) {
            followed.share(&stored.batches);
            followed.tell(stored.signal);
        } else {
            self.live.leave(task, &followed);
        }
        Ok(Some(stored.page(after)))
    }

    async fn read_stored(&self, task: &TaskId, after: u64) -> Result<Option<Stored>, StoreError> {
        let mut call = self.link.call(&self.scripts.read);
        call.arg(task.as_str()).arg(after);
        let value = self.link.ask(&call).await?;
        if value == Value::Nil {
            return Ok(None);
        }
        let mut items = Items::of(value)?;
        let (number, tail, status) = (items.number()?, items.number()?, rows::status(&items.text()?)?);
        let signal = Signal { tail, ended: status.is_terminal(), interrupt_requested: items.flag()? };
        let batches = items.items()?.each(|items| {
            let (first, bytes): (u64, Bytes) = (items.number()?, items.bytes()?);
            Ok(Arc::new(EventBatch::from_stored(first, bytes)))
        })?;
        Ok(Some(Stored { number, signal, batches }))
    }

    pub(crate) async fn watch(&self, task: &TaskId) -> Result<Option<watch::Receiver<Signal>>, StoreError> {
        loop {
            // Followed first and looked up then, so that no commit falls in between. Others who follow it lose nothing by that.
            let followed = self.live.follow(task);
            let Some(Standing { number, signal }) = bus::standing_of(self, task).await? else {
                return Ok(None);
            };
            if !followed.is_of(number, signal) {
                self.live.leave(task, &followed);
                continue;
            }
            followed.tell(signal);
            let receiver = if signal.ended { settled(signal.tail) } else { followed.subscribe() };
            return Ok(Some(receiver));
        }
    }
}

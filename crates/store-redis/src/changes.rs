//! What people change, and what is given back or dropped.

use domain::{Priority, SessionId, TaskId, Timestamp};
use store::{
    ChangeError, CreateSession, CreateSessionError, DeleteError, DeleteTaskError, DeletedSession, Dropped,
    EndedPlace, InterruptError, Interrupted, PASSED_OVER_AT_ONCE, Release, Retention, SessionRecord,
    StoreError, TaskRecord,
};

use crate::commands::{deleted, task_ids};
use crate::reply::{Items, Reply};
use crate::rows::{self, path_text, text_of};
use crate::store::Shared;

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Shared {
    pub(crate) async fn release(&self, command: &Release) -> Result<(), StoreError> {
        let mut call = self.link.call(&self.scripts.release);
        call.arg(command.session_id.as_str()).arg(command.token.0).arg(&*self.membership.id());
        call.arg(text_of(command.conversation)).arg(command.now.millis());
        let mut reply = self.link.commit(&call).await?;
        self.tell(&mut reply, None)
    }

    pub(crate) async fn request_interrupt(
        &self,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<Interrupted, InterruptError> {
        let mut call = self.link.call(&self.scripts.interrupt);
        call.arg(task.as_str()).arg(now.millis());
        let mut reply = self.link.commit(&call).await?;
        let is_running = match reply.code.as_str() {
            "running" => true,
            "waiting" => false,
            "unknown" => return Err(InterruptError::Unknown),
            "ended" => return Err(InterruptError::Ended(rows::status(&reply.rest.text()?)?)),
            _ => return Err(reply.unknown().into()),
        };
        self.tell(&mut reply, None)?;
        let record = rows::task(&reply.rest.fields()?)?;
        Ok(if is_running { Interrupted::Running(record) } else { Interrupted::Waiting(record) })
    }

    pub(crate) async fn set_priority(
        &self,
        task: &TaskId,
        priority: Priority,
        now: Timestamp,
    ) -> Result<TaskRecord, ChangeError> {
        let mut call = self.link.call(&self.scripts.priority);
        call.arg(task.as_str()).arg(priority.value()).arg(now.millis());
        let mut reply = self.link.commit(&call).await?;
        match reply.code.as_str() {
            "ok" => {
                self.tell(&mut reply, None)?;
                Ok(rows::task(&reply.rest.fields()?)?)
            }
            "unknown" => Err(ChangeError::Unknown),
            "not_waiting" => Err(ChangeError::NotWaiting(rows::status(&reply.rest.text()?)?)),
            _ => Err(reply.unknown().into()),
        }
    }

    pub(crate) async fn delete_task(&self, task: &TaskId) -> Result<(), DeleteTaskError> {
        let mut call = self.link.call(&self.scripts.delete_task);
        call.arg(task.as_str());
        let mut reply = self.link.commit(&call).await?;
        match reply.code.as_str() {
            "ok" => {
                self.live.forget(task);
                self.dropped.notify_one();
                Ok(())
            }
            "unknown" => Err(DeleteTaskError::Unknown),
            "not_ended" => Err(DeleteTaskError::NotEnded(rows::status(&reply.rest.text()?)?)),
            "needed" => Err(DeleteTaskError::Needed),
            _ => Err(reply.unknown().into()),
        }
    }

    pub(crate) async fn create_session(
        &self,
        command: &CreateSession,
    ) -> Result<SessionRecord, CreateSessionError> {
        let CreateSession { id, principal, workspace, fork, now } = command;
        let mut call = self.link.call(&self.scripts.create_session);
        call.arg(id.as_str()).arg(principal.as_str());
        call.arg(workspace.as_deref().map(path_text).transpose()?.unwrap_or_default());
        call.arg(text_of(fork.as_ref())).arg(now.millis());
        let mut reply = self.link.commit(&call).await?;
        match reply.code.as_str() {
            "ok" => {
                self.tell(&mut reply, None)?;
                Ok(rows::session(&reply.rest.fields()?, Vec::new())?)
            }
            "taken" => Err(CreateSessionError::IdTaken),
            "no_workspace" => Err(CreateSessionError::NoWorkspace),
            code => Err(match (code, fork) {
                ("no_session", Some(fork)) => CreateSessionError::ForkUnknown(fork.clone()),
                ("nothing_to_fork", Some(fork)) => CreateSessionError::NothingToFork(fork.clone()),
                _ => reply.unknown().into(),
            }),
        }
    }

    pub(crate) async fn delete_session(&self, session: &SessionId) -> Result<DeletedSession, DeleteError> {
        let mut call = self.link.call(&self.scripts.delete_session);
        call.arg(session.as_str());
        let mut reply = self.link.commit(&call).await?;
        match reply.code.as_str() {
            "ok" => {
                self.tell(&mut reply, None)?;
                Ok(deleted(&mut reply.rest.items()?)?)
            }
            "unknown" => Err(DeleteError::Unknown),
            "busy" => Err(DeleteError::Busy(task_ids(reply.rest.items()?)?)),
            "held" => Err(DeleteError::Held),
            "forked" => Err(DeleteError::Forked(sessions(&mut reply)?)),
            _ => Err(reply.unknown().into()),
        }
    }

    pub(crate) async fn drop_beyond(
        &self,
        retention: &Retention,
        now: Timestamp,
        after: Option<EndedPlace>,
        most: usize,
    ) -> Result<Dropped, StoreError> {
        let mut call = self.link.call(&self.scripts.drop_beyond);
        call.arg(text_of(retention.max_age.map(millis))).arg(retention.max_tasks).arg(retention.max_bytes);
        call.arg(millis(retention.min_age)).arg(now.millis()).arg(most).arg(PASSED_OVER_AT_ONCE);
        if let Some(after) = &after {
            call.arg(after.at.millis()).arg(after.number).arg(after.task.as_str());
        }
        let mut reply = self.link.commit(&call).await?;
        self.tell(&mut reply, None)?;
        let tasks = reply.rest.number()?;
        let sessions = reply.rest.items()?.each(|items| deleted(&mut items.items()?))?;
        let next = ended_place(&mut reply.rest.items()?)?;
        if tasks > 0 {
            self.dropped.notify_one();
        }
        Ok(Dropped { tasks, sessions, next })
    }
}

fn ended_place(items: &mut Items) -> Result<Option<EndedPlace>, StoreError> {
    if items.is_empty() {
        return Ok(None);
    }
    let (at, number) = (rows::time(&items.text()?)?, items.number()?);
    Ok(Some(EndedPlace { at, number, task: rows::id(&items.text()?, TaskId::parse)? }))
}

fn sessions(reply: &mut Reply) -> Result<Vec<SessionId>, StoreError> {
    reply.rest.items()?.each(|items| rows::id(&items.text()?, SessionId::parse))
}

//! What is sent for each command, and what its answer means.

use domain::{Answer, InstanceLabel, QuestionId, SessionChoice, SessionId, TaskId, Timestamp, WhenBusy};
use redis::ScriptInvocation;
use store::{
    AnswerError, Append, Claim, Claimed, CommitError, DeletedSession, EventBatch, Finish, PutBack,
    StoreError, Submit, SubmitError, Submitted, TaskRecord,
};

use crate::lease;
use crate::reply::{Items, Reply};
use crate::rows::{self, json, path_text, reason_text, text_of};
use crate::store::Shared;

/// The numbers of a batch's first and last event; one without events ends before it begins.
fn span(events: &EventBatch) -> (u64, u64) {
    if events.is_empty() { (1, 0) } else { (events.first(), events.next() - 1) }
}

pub(crate) fn task_ids(items: Items) -> Result<Vec<TaskId>, StoreError> {
    items.each(|items| rows::id(&items.text()?, TaskId::parse))
}

/// Ids of tasks, as one argument.
fn words(ids: &[TaskId]) -> String {
    ids.iter().map(TaskId::as_str).collect::<Vec<_>>().join(" ")
}

impl Shared {
    /// Tells the readers of this server what a command did, before its caller is answered.
    pub(crate) fn tell(
        &self,
        reply: &mut Reply,
        events: Option<(&TaskId, EventBatch)>,
    ) -> Result<(), StoreError> {
        let message = reply.rest.text()?;
        if let Some(news) = crate::news::News::parse(&message) {
            self.live.committed(&news, events);
        }
        Ok(())
    }

    pub(crate) async fn submit(&self, command: &Submit) -> Result<Submitted, SubmitError> {
        let mut call = self.link.call(&self.scripts.submit);
        submit_arguments(&mut call, command, &self.membership.id())?;
        let mut reply = self.link.commit(&call).await?;
        let is_new = reply.code == "created";
        if is_new {
            self.tell(&mut reply, None)?;
        }
        if is_new || reply.code == "existing" {
            return Ok(Submitted { task: rows::task(&reply.rest.fields()?)?, created: is_new });
        }
        Err(submit_refusal(reply)?)
    }

    pub(crate) async fn claim(&self, ticket: u64, now: Timestamp) -> Result<Claim, StoreError> {
        // Redis may still know of the lease when this server counts on it no more.
        if self.membership.is_lost() {
            return Err(lease::no_lease());
        }
        let mut call = self.link.call(&self.scripts.claim);
        let me = self.membership.id();
        call.arg(&*me).arg(ticket).arg(now.millis());
        call.arg(json(&Answer::expired())?).arg(json(&now)?);
        let mut reply = self.link.commit(&call).await?;
        match reply.code.as_str() {
            "lost" => {
                self.membership.lost_as(&me);
                Err(lease::no_lease())
            }
            "nothing" => {
                let until = reply.rest.text()?;
                let until = if until.is_empty() { None } else { Some(rows::time(&until)?) };
                Ok(Claim::Nothing { until })
            }
            "task" | "again" => {
                self.tell(&mut reply, None)?;
                let claimed = claimed(&mut reply.rest, true)?;
                self.membership.has_seen(claimed.token);
                Ok(Claim::Task(Box::new(claimed)))
            }
            _ => Err(reply.unknown()),
        }
    }

    pub(crate) async fn take_over(&self, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        let mut call = self.link.call(&self.scripts.take_over);
        let me = self.membership.id();
        call.arg(&*me).arg(now.millis());
        let mut reply = self.link.commit(&call).await?;
        if reply.code == "lost" {
            self.membership.lost_as(&me);
            return Err(lease::no_lease());
        }
        self.tell(&mut reply, None)?;
        let mut taken = reply.rest.items()?.each(|items| claimed(&mut items.items()?, false))?;
        taken.iter().for_each(|claimed| self.membership.has_seen(claimed.token));
        taken.sort_by_key(|claimed| (claimed.task.created_at, claimed.task.spec.task_id.clone()));
        Ok(taken)
    }

    fn append_arguments(&self, call: &mut ScriptInvocation<'_>, command: &Append) -> Result<(), StoreError> {
        let (first, last) = span(&command.events);
        call.arg(command.task_id.as_str()).arg(command.token.0).arg(&*self.membership.id());
        call.arg(first).arg(last).arg(&command.events.bytes()[..]);
        call.arg(json(&command.progress)?).arg(command.cost_usd.to_string());
        call.arg(text_of(command.conversation)).arg(command.now.millis()).arg(self.core.max_task_bytes);
        Ok(())
    }

    pub(crate) async fn append(&self, command: Append) -> Result<(), CommitError> {
        let mut call = self.link.call(&self.scripts.append);
        self.append_arguments(&mut call, &command)?;
        let reply = self.link.commit(&call).await?;
        self.committed(reply, &command.task_id, command.events)
    }

    pub(crate) async fn put_back(&self, command: PutBack) -> Result<(), CommitError> {
        let PutBack { append, waiting, failed, question } = command;
        let mut call = self.link.call(&self.scripts.put_back);
        self.append_arguments(&mut call, &append)?;
        call.arg(reason_text(waiting.reason)).arg(waiting.until.millis()).arg(u8::from(failed));
        call.arg(question.as_ref().map(json).transpose()?.unwrap_or_default());
        call.arg(text_of(question.map(|question| question.id)));
        let reply = self.link.commit(&call).await?;
        self.committed(reply, &append.task_id, append.events)
    }

    pub(crate) async fn finish(&self, command: Finish) -> Result<(), CommitError> {
        let Finish { task_id, token, events, progress, outcome, now } = command;
        let (first, last) = span(&events);
        let weight = outcome.summary.len() + outcome.errors.iter().map(String::len).sum::<usize>();
        let mut call = self.link.call(&self.scripts.finish);
        call.arg(task_id.as_str()).arg(text_of(token.map(|token| token.0))).arg(&*self.membership.id());
        call.arg(first).arg(last).arg(&events.bytes()[..]).arg(json(&progress)?);
        call.arg(outcome.total_cost_usd.to_string()).arg(now.millis()).arg(outcome.ending.status().as_str());
        call.arg(json(&outcome)?).arg(weight).arg(u8::from(progress.turns > 0));
        let reply = self.link.commit(&call).await?;
        self.committed(reply, &task_id, events)
    }

    /// What became of a command that adds events.
    fn committed(&self, mut reply: Reply, task: &TaskId, events: EventBatch) -> Result<(), CommitError> {
        match reply.code.as_str() {
            "ok" => {
                let events = (!events.is_empty()).then_some((task, events));
                Ok(self.tell(&mut reply, events)?)
            }
            "unknown" => Err(CommitError::Unknown),
            "fenced" => Err(CommitError::Fenced),
            "sequence" => Err(CommitError::Sequence { tail: reply.rest.number()?, first: events.first() }),
            "log_full" => Err(CommitError::LogFull { limit: self.core.max_task_bytes }),
            _ => Err(reply.unknown().into()),
        }
    }

    pub(crate) async fn answer(
        &self,
        task: &TaskId,
        question: QuestionId,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<TaskRecord, AnswerError> {
        loop {
            let record = self.task(task).await?.ok_or(AnswerError::UnknownTask)?;
            if record.status.is_terminal() {
                return Err(AnswerError::Ended(record.status));
            }
            let questions = &record.questions;
            if let Some(known) = questions.answered.iter().find(|known| known.question.id == question) {
                let is_same = known.answer == *answer;
                return if is_same { Ok(record) } else { Err(AnswerError::AlreadyAnswered) };
            }
            if questions.open.as_ref().is_none_or(|open| open.id != question) {
                return Err(AnswerError::UnknownQuestion);
            }
            let mut call = self.link.call(&self.scripts.answer);
            call.arg(task.as_str())
                .arg(question.to_string())
                .arg(json(answer)?)
                .arg(json(&now)?)
                .arg(now.millis());
            let mut reply = self.link.commit(&call).await?;
            match reply.code.as_str() {
                "ok" => {
                    self.tell(&mut reply, None)?;
                    return Ok(rows::task(&reply.rest.fields()?)?);
                }
                // Somebody was faster: what they did decides. A question is never asked again, so this ends.
                "changed" => {}
                _ => return Err(reply.unknown().into()),
            }
        }
    }
}

fn submit_arguments(
    call: &mut ScriptInvocation<'_>,
    command: &Submit,
    instance: &str,
) -> Result<(), StoreError> {
    let Submit { spec, max_pending, max_at_work, now } = command;
    let (choice, origin, when_busy) = match &spec.session {
        SessionChoice::New => ("new", "", ""),
        SessionChoice::Fork(origin) => ("fork", origin.as_str(), ""),
        SessionChoice::Reuse { id, when_busy } => {
            let when_busy = match when_busy {
                WhenBusy::Enqueue => "enqueue",
                WhenBusy::Reject => "reject",
                WhenBusy::Interrupt => "interrupt",
                WhenBusy::Fork => "fork",
            };
            ("reuse", id.as_str(), when_busy)
        }
    };
    let schedule = &spec.schedule;
    call.arg(spec.task_id.as_str()).arg(&spec.fingerprint.0[..]).arg(spec.principal.as_str());
    call.arg(path_text(&spec.workspace)?).arg(*max_pending).arg(now.millis());
    call.arg(choice).arg(origin).arg(when_busy).arg(SessionId::for_task(&spec.task_id).as_str());
    call.arg(schedule.priority.value()).arg(schedule.max_running.map_or(0, |most| most.get()));
    call.arg(text_of(schedule.start_at.map(Timestamp::millis))).arg(words(&schedule.depends_on));
    call.arg(json(spec)?).arg(spec.prompt.len());
    call.arg(schedule.runs_on.iter().map(InstanceLabel::as_str).collect::<Vec<_>>().join(","));
    call.arg(instance).arg(*max_at_work);
    for argument in rows::label_arguments(&spec.labels) {
        call.arg(argument);
    }
    Ok(())
}

fn submit_refusal(mut reply: Reply) -> Result<SubmitError, StoreError> {
    let rest = &mut reply.rest;
    Ok(match reply.code.as_str() {
        "taken" => SubmitError::IdTaken,
        "session_taken" => SubmitError::SessionTaken(rows::id(&rest.text()?, SessionId::parse)?),
        "full" => SubmitError::QueueFull { waiting: rest.number()? },
        "no_session" => SubmitError::SessionUnknown(rows::id(&rest.text()?, SessionId::parse)?),
        "workspace" => SubmitError::SessionWorkspaceDiffers(rest.text()?.into()),
        "busy" => SubmitError::SessionBusy(task_ids(rest.items()?)?),
        "nothing_to_fork" => SubmitError::NothingToFork(rows::id(&rest.text()?, SessionId::parse)?),
        "no_dependency" => SubmitError::DependencyUnknown(rows::id(&rest.text()?, TaskId::parse)?),
        _ => return Err(reply.unknown()),
    })
}

/// A claimed task: its lease, what it goes on with, why it waited if that is told, and the task.
fn claimed(items: &mut Items, tells_why: bool) -> Result<Claimed, StoreError> {
    let token = domain::LeaseToken(items.number()?);
    let (conversation, fork_from) =
        (rows::conversation(&items.text()?)?, rows::conversation(&items.text()?)?);
    let after = if tells_why { rows::reason(&items.text()?)? } else { None };
    Ok(Claimed { token, task: rows::task(&items.fields()?)?, conversation, fork_from, after })
}

/// A session that is no more.
pub(crate) fn deleted(items: &mut Items) -> Result<DeletedSession, StoreError> {
    Ok(DeletedSession {
        id: rows::id(&items.text()?, SessionId::parse)?,
        principal: rows::id(&items.text()?, domain::Principal::parse)?,
        conversation: rows::conversation(&items.text()?)?,
    })
}

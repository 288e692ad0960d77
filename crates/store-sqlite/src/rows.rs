//! Rows as they are written and read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{
    ConversationId, IdError, LeaseToken, Principal, Progress, Questions, SessionId, TaskStatus, Timestamp,
    TokenUsage,
};
use rusqlite::Row;
use rusqlite::types::FromSql;
use store::{SessionRow, TaskRecord, TaskRow, WaitReason, Waiting};
use uuid::Uuid;

use crate::fault::Fault;

/// A query of whole tasks, for [`task_row`].
macro_rules! task_query {
    ($rest:literal) => {
        concat!(
            "SELECT t.number, s.spec, t.session, t.status, t.attempt, t.failures, t.waiting, t.waiting_until, ",
            "t.token, t.conversation, t.turns, t.tokens_input, t.tokens_output, t.tokens_cache_read, ",
            "t.tokens_cache_creation, t.files_modified, t.elapsed_ms, t.cost_usd, t.outcome, t.created_at, ",
            "t.started_at, t.updated_at, t.tail, t.interrupt_requested_at, t.bytes, ",
            "(SELECT q.questions FROM questions q WHERE q.task = t.number) FROM ",
            $rest
        )
    };
}

/// A query of whole sessions, for [`session_row`].
macro_rules! session_query {
    ($rest:literal) => {
        concat!(
            "SELECT number, id, principal, workspace, conversation, fork_from, holder, created_at, last_activity ",
            "FROM sessions ",
            $rest
        )
    };
}

pub(crate) use {session_query, task_query};

/// The columns of a row, one after the other.
pub(crate) struct Columns<'a, 'b> {
    row: &'a Row<'b>,
    next: usize,
}

impl<'a, 'b> Columns<'a, 'b> {
    pub(crate) fn of(row: &'a Row<'b>) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn value<T: FromSql>(&mut self) -> Result<T, Fault> {
        self.next += 1;
        Ok(self.row.get(self.next - 1)?)
    }

    /// A blob or text without copying it.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        Ok(self.bytes_if_any()?.unwrap_or_default())
    }

    pub(crate) fn bytes_if_any(&mut self) -> Result<Option<&'a [u8]>, Fault> {
        self.next += 1;
        let value = self.row.get_ref(self.next - 1)?;
        Ok(value.as_bytes_or_null().map_err(rusqlite::Error::from)?)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Fault> {
        Ok(self.value::<i64>()?.cast_unsigned())
    }

    fn small(&mut self) -> Result<u32, Fault> {
        self.value()
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Fault> {
        self.value().map(Timestamp::from_millis)
    }

    fn time_if_any(&mut self) -> Result<Option<Timestamp>, Fault> {
        Ok(self.value::<Option<i64>>()?.map(Timestamp::from_millis))
    }

    fn token(&mut self) -> Result<Option<LeaseToken>, Fault> {
        Ok(self.value::<Option<i64>>()?.map(|token| LeaseToken(token.cast_unsigned())))
    }

    pub(crate) fn id<T>(&mut self, parse: impl Fn(&str) -> Result<T, IdError>) -> Result<T, Fault> {
        let text: String = self.value()?;
        read_id(&text, parse)
    }

    pub(crate) fn id_if_any<T>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, IdError>,
    ) -> Result<Option<T>, Fault> {
        let text: Option<String> = self.value()?;
        text.map(|text| read_id(&text, parse)).transpose()
    }

    pub(crate) fn path(&mut self) -> Result<PathBuf, Fault> {
        Ok(self.value::<String>()?.into())
    }

    pub(crate) fn conversation(&mut self) -> Result<Option<ConversationId>, Fault> {
        let Some(text) = self.value::<Option<String>>()? else { return Ok(None) };
        let id = Uuid::parse_str(&text);
        id.map(|id| Some(ConversationId(id)))
            .map_err(|_| Fault::Content(format!("{text:?} is no conversation")))
    }

    pub(crate) fn status(&mut self) -> Result<TaskStatus, Fault> {
        use TaskStatus::{Completed, Failed, Interrupted, Pending, Running};
        let text: String = self.value()?;
        let status =
            [Pending, Running, Completed, Failed, Interrupted].into_iter().find(|s| s.as_str() == text);
        status.ok_or_else(|| Fault::Content(format!("{text:?} is no status")))
    }

    fn waiting(&mut self) -> Result<Option<Waiting>, Fault> {
        let (reason, until) = (self.value::<Option<String>>()?, self.time_if_any()?);
        let (Some(text), Some(until)) = (reason, until) else { return Ok(None) };
        let reasons = [WaitReason::RateLimit, WaitReason::Retry, WaitReason::CutOff, WaitReason::Answer];
        let reason = reasons.into_iter().find(|reason| reason_text(*reason) == text);
        let reason = reason.ok_or_else(|| Fault::Content(format!("{text:?} is no reason to wait")))?;
        Ok(Some(Waiting { reason, until }))
    }

    fn progress(&mut self) -> Result<Progress, Fault> {
        let turns = self.unsigned()?;
        let tokens = TokenUsage {
            input: self.unsigned()?,
            output: self.unsigned()?,
            cache_read: self.unsigned()?,
            cache_creation: self.unsigned()?,
        };
        Ok(Progress { turns, tokens, files_modified: self.unsigned()?, elapsed_ms: self.unsigned()? })
    }
}

fn read_id<T>(text: &str, parse: impl Fn(&str) -> Result<T, IdError>) -> Result<T, Fault> {
    parse(text).map_err(|error| Fault::Content(format!("{text:?} is no id: {error}")))
}

/// The word for a reason to wait.
pub(crate) fn reason_text(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::RateLimit => "rate_limit",
        WaitReason::Retry => "retry",
        WaitReason::CutOff => "cut_off",
        WaitReason::Answer => "answer",
    }
}

/// A path as text.
pub(crate) fn path_text(path: &Path) -> Result<&str, Fault> {
    path.to_str().ok_or_else(|| Fault::Path(path.display().to_string()))
}

/// A number as SQLite keeps it, bit by bit: what is only counted and compared for equality may use all of them.
pub(crate) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A bound of a comparison.
pub(crate) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a row of [`task_query`].
pub(crate) fn task_row(row: &Row<'_>) -> Result<TaskRow, Fault> {
    let mut columns = Columns::of(row);
    let number = columns.unsigned()?;
    let spec = serde_json::from_slice(columns.bytes()?)?;
    let session_id = columns.id(SessionId::parse)?;
    let (status, attempt, failures) = (columns.status()?, columns.small()?, columns.small()?);
    let (waiting, token, conversation) = (columns.waiting()?, columns.token()?, columns.conversation()?);
    let (progress, cost_usd) = (columns.progress()?, columns.value()?);
    let outcome: Option<String> = columns.value()?;
    let mut record = TaskRecord {
        spec: Arc::new(spec),
        session_id,
        status,
        attempt,
        failures,
        waiting,
        questions: Questions::default(),
        conversation,
        progress,
        cost_usd,
        outcome: outcome.map(|text| serde_json::from_str(&text)).transpose()?,
        created_at: columns.time()?,
        started_at: columns.time_if_any()?,
        updated_at: columns.time()?,
        tail: columns.unsigned()?,
        interrupt_requested_at: columns.time_if_any()?,
    };
    let bytes = columns.unsigned()?;
    if let Some(questions) = columns.bytes_if_any()? {
        record.questions = serde_json::from_slice(questions)?;
    }
    Ok(TaskRow { number, record, token, bytes })
}

/// Reads a row of [`session_query`].
pub(crate) fn session_row(row: &Row<'_>) -> Result<SessionRow, Fault> {
    let mut columns = Columns::of(row);
    Ok(SessionRow {
        number: columns.unsigned()?,
        id: columns.id(SessionId::parse)?,
        principal: columns.id(Principal::parse)?,
        workspace: columns.path()?,
        conversation: columns.conversation()?,
        fork_from: columns.conversation()?,
        holder: columns.token()?,
        created_at: columns.time()?,
        last_activity: columns.time()?,
    })
}

//! What is read, on whichever connection.

use bytes::Bytes;
use domain::{Principal, SessionId, SessionStatus, TaskId};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use store::{
    EventBatch, FeedBuilder, FeedFilter, FeedPage, LogBuilder, LogPage, SessionRecord, Signal, TaskRow,
};

use crate::fault::Fault;
use crate::rows::{Columns, bound, path_text, signed, task_query, task_row};

pub(crate) fn task(connection: &Connection, id: &TaskId) -> Result<Option<TaskRow>, Fault> {
    let mut statement = connection
        .prepare_cached(task_query!("tasks t CROSS JOIN specs s ON s.task = t.number WHERE t.id = ?1"))?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(task_row).transpose()
}

/// Where a task's log goes to, and the task's number.
pub(crate) fn signal(connection: &Connection, id: &TaskId) -> Result<Option<(u64, Signal)>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT number, tail, ended_at IS NOT NULL, interrupt_requested_at IS NOT NULL FROM tasks WHERE id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        let (number, tail): (i64, i64) = (row.get(0)?, row.get(1)?);
        let signal =
            Signal { tail: tail.cast_unsigned(), ended: row.get(2)?, interrupt_requested: row.get(3)? };
        Ok((number.cast_unsigned(), signal))
    };
    Ok(statement.query_row([id.as_str()], read).optional()?)
}

/// A page of a task's log.
pub(crate) fn log(connection: &Connection, id: &TaskId, after: u64) -> Result<Option<LogPage>, Fault> {
    let Some((number, signal)) = signal(connection, id)? else { return Ok(None) };
    let mut page = LogBuilder::new(after);
    let mut statement = connection.prepare_cached(
        "SELECT first_seq, data FROM batches INDEXED BY batches_of_task \
         WHERE task = ?1 AND last_seq > ?2 ORDER BY last_seq",
    )?;
    let mut rows = statement.query([signed(number), bound(after)])?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        if !page.push_stored(columns.unsigned()?, columns.bytes()?) {
            break;
        }
    }
    Ok(Some(page.finish(signal)))
}

/// A page of the feed.
pub(crate) fn feed(connection: &Connection, after: u64, filter: &FeedFilter) -> Result<FeedPage, Fault> {
    // What is not wanted is not even read: its column is null. No status is a part of another one's word.
    let mut statement = connection.prepare_cached(
        "SELECT b.position, b.first_seq, b.last_seq, CASE WHEN (?2 IS NULL OR t.principal = ?2) \
         AND (?3 IS NULL OR t.id = ?3) AND (?4 IS NULL OR t.session = ?4) AND (?5 IS NULL OR t.workspace = ?5) \
         AND (?6 IS NULL OR instr(?6, b.status) > 0) THEN b.data END \
         FROM batches b CROSS JOIN tasks t ON t.number = b.task WHERE b.position > ?1 ORDER BY b.position",
    )?;
    let statuses: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
    let mut rows = statement.query(params![
        bound(after),
        filter.principal.as_ref().map(Principal::as_str),
        filter.task.as_ref().map(TaskId::as_str),
        filter.session.as_ref().map(SessionId::as_str),
        filter.workspace.as_deref().map(path_text).transpose()?,
        (!statuses.is_empty()).then(|| statuses.join(",")),
    ])?;
    let mut page = FeedBuilder::new(after);
    while !page.is_full()
        && let Some(row) = rows.next()?
    {
        let mut columns = Columns::of(row);
        let (position, first, last) = (columns.unsigned()?, columns.unsigned()?, columns.unsigned()?);
        match columns.bytes_if_any()?.map(Bytes::copy_from_slice) {
            None => page.skip(position, usize::try_from(last - first).unwrap_or_default() + 1),
            Some(notice) if first == 0 => page.notice(position, notice),
            Some(events) => page.events(position, &EventBatch::from_stored(first, events)),
        }
    }
    Ok(page.finish())
}

/// A query of sessions and their tasks, a row a task.
macro_rules! session_records {
    ($where:literal) => {
        concat!(
            "SELECT s.id, s.principal, s.workspace, s.conversation, s.holder IS NOT NULL, s.created_at, ",
            "s.last_activity, t.id FROM sessions s LEFT JOIN tasks t ON t.session = s.id AND t.left_behind = 0 ",
            $where,
            " ORDER BY s.number, t.number"
        )
    };
}

pub(crate) fn session(connection: &Connection, id: &SessionId) -> Result<Option<SessionRecord>, Fault> {
    Ok(records(connection, session_records!("WHERE s.id = ?1"), [id.as_str()])?.pop())
}

pub(crate) fn sessions(connection: &Connection) -> Result<Vec<SessionRecord>, Fault> {
    records(connection, session_records!(""), [])
}

fn records(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<SessionRecord>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found: Vec<SessionRecord> = Vec::new();
    while let Some(row) = rows.next()? {
        let (record, task) = session_record(row)?;
        match found.last_mut() {
            Some(last) if last.id == record.id => last.tasks.extend(task),
            _ => found.push(SessionRecord { tasks: task.into_iter().collect(), ..record }),
        }
    }
    Ok(found)
}

fn session_record(row: &Row<'_>) -> Result<(SessionRecord, Option<TaskId>), Fault> {
    let mut columns = Columns::of(row);
    let record = SessionRecord {
        id: columns.id(SessionId::parse)?,
        principal: columns.id(Principal::parse)?,
        workspace: columns.path()?,
        tasks: Vec::new(),
        conversation: columns.conversation()?,
        status: if columns.value()? { SessionStatus::Active } else { SessionStatus::Idle },
        created_at: columns.time()?,
        last_activity: columns.time()?,
    };
    Ok((record, columns.id_if_any(TaskId::parse)?))
}

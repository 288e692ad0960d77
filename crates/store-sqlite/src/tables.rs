//! The rows, as the core writes them: inside the transaction that the writer has open.

use std::time::Duration;

use bytes::Bytes;
use domain::{ConversationId, SessionId, TaskId, Timestamp};
use rusqlite::{CachedStatement, Connection, Params, params};
use store::{
    Counters, EndedPlace, EndedTask, EventBatch, SessionRecord, SessionRow, StoreError, Tables, TaskRow,
};

use crate::connection::BUSY_TIMEOUT;
use crate::fault::Fault;
use crate::reads;
use crate::rows::{
    Columns, bound, path_text, reason_text, session_query, session_row, signed, task_query, task_row,
};

/// What a probe writes: more pages than a small submission changes in tables and indexes, so that no probe still fits into the
/// rest of a full disk, or of the log's file, that a submission does not fit into.
const PROBE_BYTES: u32 = 16 * 8192;

#[derive(Debug)]
pub(crate) struct SqliteTables {
    connection: Connection,
    /// How many tasks have ended and what they weigh, once that was counted. Unknown again after a rollback.
    ended: Option<(u64, u64)>,
}

impl SqliteTables {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, ended: None }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn begin(&self) -> Result<(), Fault> {
        self.run("BEGIN IMMEDIATE", []).map(drop)
    }

    /// Begins a transaction if nobody else has one.
    pub(crate) fn begin_at_once(&self) -> Result<(), Fault> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let begun = self.begin();
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        begun
    }

    pub(crate) fn commit(&self) -> Result<(), Fault> {
        self.run("COMMIT", []).map(drop)
    }

    /// Ends a transaction that failed. SQLite may have ended it by itself.
    pub(crate) fn roll_back(&mut self) -> Result<(), Fault> {
        self.ended = None;
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.run("ROLLBACK", []).map(drop)
    }

    /// Place of the feed's last entry.
    pub(crate) fn position(&self) -> Result<u64, Fault> {
        let mut statement = self.prepare(
            "SELECT max(position, (SELECT ifnull(max(position), 0) FROM batches)) FROM meta WHERE id = 1",
        )?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// Writes down that nothing was under way when the database was closed.
    pub(crate) fn mark_clean(&self) -> Result<(), Fault> {
        self.run("UPDATE meta SET clean = 1 WHERE id = 1", []).map(drop)
    }

    /// Writes what nobody reads. It differs each time: SQLite writes no page that would stay as it is.
    pub(crate) fn probe(&self) -> Result<(), Fault> {
        let sql = "INSERT INTO probe (id, data) VALUES (1, randomblob(?1)) \
                   ON CONFLICT (id) DO UPDATE SET data = excluded.data";
        self.run(sql, [PROBE_BYTES]).map(drop)
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Fault> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    fn run(&self, sql: &str, params: impl Params) -> Result<usize, Fault> {
        Ok(self.prepare(sql)?.execute(params)?)
    }

    fn task_rows(&self, sql: &str, params: impl Params) -> Result<Vec<TaskRow>, Fault> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(task_row(row)?);
        }
        Ok(found)
    }

    fn session_rows(&self, sql: &str, params: impl Params) -> Result<Vec<SessionRow>, Fault> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(session_row(row)?);
        }
        Ok(found)
    }

    fn counters(&self) -> Result<Counters, Fault> {
        let mut statement = self.prepare(
            "SELECT max(task, (SELECT ifnull(max(number), 0) FROM tasks)), \
             max(session, (SELECT ifnull(max(number), 0) FROM sessions)), \
             max(position, (SELECT ifnull(max(position), 0) FROM batches)), opened FROM meta WHERE id = 1",
        )?;
        let mut rows = statement.query([])?;
        let row = rows.next()?.ok_or_else(|| Fault::Content("the counters are not there".into()))?;
        let mut columns = Columns::of(row);
        Ok(Counters {
            task: columns.unsigned()?,
            session: columns.unsigned()?,
            position: columns.unsigned()?,
            opened: columns.value()?,
        })
    }

    fn insert(&mut self, row: &TaskRow) -> Result<(), Fault> {
        let spec = &row.record.spec;
        self.run(
            "INSERT INTO tasks (number, id, session, principal, workspace, created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            params![
                signed(row.number),
                spec.task_id.as_str(),
                row.record.session_id.as_str(),
                spec.principal.as_str(),
                path_text(&spec.workspace)?,
                row.record.created_at.millis(),
            ],
        )?;
        let text = serde_json::to_string(&**spec)?;
        self.run("INSERT INTO specs (task, spec) VALUES (?1, ?2)", params![signed(row.number), text])?;
        for (key, value) in spec.labels.iter() {
            let label = params![key, value, signed(row.number)];
            self.run("INSERT INTO labels (key, value, task) VALUES (?1, ?2, ?3)", label)?;
        }
        self.update(row)
    }

    fn update(&mut self, row: &TaskRow) -> Result<(), Fault> {
        let (record, progress) = (&row.record, &row.record.progress);
        let changed = self.run(
            "UPDATE tasks SET status = ?2, attempt = ?3, failures = ?4, waiting = ?5, waiting_until = ?6, token = ?7, \
             conversation = ?8, turns = ?9, tokens_input = ?10, tokens_output = ?11, tokens_cache_read = ?12, \
             tokens_cache_creation = ?13, files_modified = ?14, elapsed_ms = ?15, cost_usd = ?16, started_at = ?17, \
             updated_at = ?18, interrupt_requested_at = ?19, tail = ?20, bytes = ?21 WHERE number = ?1",
            params![
                signed(row.number),
                record.status.as_str(),
                record.attempt,
                record.failures,
                record.waiting.map(|waiting| reason_text(waiting.reason)),
                record.waiting.map(|waiting| waiting.until.millis()),
                row.token.map(|token| signed(token.0)),
                conversation_text(record.conversation),
                signed(progress.turns),
                signed(progress.tokens.input),
                signed(progress.tokens.output),
                signed(progress.tokens.cache_read),
                signed(progress.tokens.cache_creation),
                signed(progress.files_modified),
                signed(progress.elapsed_ms),
                record.cost_usd,
                record.started_at.map(|time| time.millis()),
                record.updated_at.millis(),
                record.interrupt_requested_at.map(|time| time.millis()),
                signed(record.tail),
                signed(row.bytes),
            ],
        )?;
        if changed == 0 {
            return Err(Fault::Content(format!("the task {} is not there", record.spec.task_id)));
        }
        if record.status.is_terminal() { self.end(row) } else { Ok(()) }
    }

    fn write_spec(&self, row: &TaskRow) -> Result<(), Fault> {
        let text = serde_json::to_string(&*row.record.spec)?;
        self.run("UPDATE specs SET spec = ?2 WHERE task = ?1", params![signed(row.number), text]).map(drop)
    }

    fn session_ids(&self, sql: &str, params: impl Params) -> Result<Vec<SessionId>, Fault> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Columns::of(row).id(SessionId::parse)?);
        }
        Ok(found)
    }

    fn write_questions(&self, row: &TaskRow) -> Result<(), Fault> {
        let questions = serde_json::to_string(&row.record.questions)?;
        self.run(
            "INSERT INTO questions (task, questions) VALUES (?1, ?2) \
             ON CONFLICT (task) DO UPDATE SET questions = excluded.questions",
            params![signed(row.number), questions],
        )?;
        Ok(())
    }

    /// The columns of an ended task are written by a statement of their own, so that the others touch no index.
    fn end(&mut self, row: &TaskRow) -> Result<(), Fault> {
        let outcome = row.record.outcome.as_ref().map(serde_json::to_string).transpose()?;
        self.run(
            "UPDATE tasks SET ended_at = ?2, outcome = ?3 WHERE number = ?1",
            params![signed(row.number), row.record.updated_at.millis(), outcome],
        )?;
        self.ended = self.ended.map(|(tasks, bytes)| (tasks + 1, bytes + row.bytes));
        Ok(())
    }

    /// Adds a row to the feed; SQLite copies the bytes once, into its page.
    fn add(&self, row: &TaskRow, position: u64, seqs: (u64, u64), data: &[u8]) -> Result<(), Fault> {
        self.run(
            "INSERT INTO batches (position, task, first_seq, last_seq, status, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                signed(position),
                signed(row.number),
                signed(seqs.0),
                signed(seqs.1),
                row.record.status.as_str(),
                data
            ],
        )?;
        Ok(())
    }

    fn put(&self, row: &SessionRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO sessions (number, id, principal, workspace, conversation, fork_from, holder, created_at, \
             last_activity) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (number) DO UPDATE SET \
             conversation = excluded.conversation, holder = excluded.holder, last_activity = excluded.last_activity",
            params![
                signed(row.number),
                row.id.as_str(),
                row.principal.as_str(),
                path_text(&row.workspace)?,
                conversation_text(row.conversation),
                conversation_text(row.fork_from),
                row.holder.map(|token| signed(token.0)),
                row.created_at.millis(),
                row.last_activity.millis(),
            ],
        )?;
        Ok(())
    }

    fn first_ended(&self, after: Option<&EndedPlace>) -> Result<Option<EndedTask>, Fault> {
        let mut statement = self.prepare(
            "SELECT number, id, CASE WHEN left_behind = 0 THEN session END, ended_at, bytes \
             FROM tasks INDEXED BY ended_tasks \
             WHERE ended_at IS NOT NULL AND (ended_at, number) > (?1, ?2) ORDER BY ended_at, number LIMIT 1",
        )?;
        let (at, number) = after.map_or((i64::MIN, 0), |place| (place.at.millis(), signed(place.number)));
        let mut rows = statement.query([at, number])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut columns = Columns::of(row);
        Ok(Some(EndedTask {
            number: columns.unsigned()?,
            id: columns.id(TaskId::parse)?,
            session: columns.id_if_any(SessionId::parse)?,
            ended_at: columns.time()?,
            bytes: columns.unsigned()?,
        }))
    }

    fn weigh(&mut self) -> Result<(u64, u64), Fault> {
        if let Some(ended) = self.ended {
            return Ok(ended);
        }
        let mut statement = self.prepare(
            "SELECT count(*), ifnull(sum(bytes), 0) FROM tasks INDEXED BY ended_tasks WHERE ended_at IS NOT NULL",
        )?;
        let (tasks, bytes) =
            statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        drop(statement);
        let ended = (tasks.cast_unsigned(), bytes.cast_unsigned());
        self.ended = Some(ended);
        Ok(ended)
    }

    fn forget(&mut self, task: &EndedTask, counters: Counters) -> Result<(), Fault> {
        for sql in [
            "DELETE FROM batches WHERE task = ?1",
            "DELETE FROM specs WHERE task = ?1",
            "DELETE FROM questions WHERE task = ?1",
            "DELETE FROM labels WHERE task = ?1",
            "DELETE FROM tasks WHERE number = ?1",
        ] {
            self.run(sql, [signed(task.number)])?;
        }
        self.run(
            "UPDATE meta SET task = max(task, ?1), session = max(session, ?2), position = max(position, ?3) \
             WHERE id = 1",
            [signed(counters.task), signed(counters.session), signed(counters.position)],
        )?;
        let without =
            |(tasks, bytes): (u64, u64)| (tasks.saturating_sub(1), bytes.saturating_sub(task.bytes));
        self.ended = self.ended.map(without);
        Ok(())
    }

    fn forget_session(&self, id: &SessionId) -> Result<(), Fault> {
        self.run(
            "UPDATE meta SET session = max(session, (SELECT ifnull(max(number), 0) FROM sessions)) WHERE id = 1",
            [],
        )?;
        self.run("UPDATE tasks SET left_behind = 1 WHERE session = ?1", [id.as_str()])?;
        self.run("DELETE FROM sessions WHERE id = ?1", [id.as_str()]).map(drop)
    }
}

fn conversation_text(id: Option<ConversationId>) -> Option<String> {
    id.map(|id| id.to_string())
}

impl Tables for SqliteTables {
    fn open(&mut self) -> Result<Counters, StoreError> {
        self.run("UPDATE meta SET opened = opened + 1, clean = 0 WHERE id = 1", [])?;
        Ok(self.counters()?)
    }

    fn open_tasks(&mut self) -> Result<Vec<TaskRow>, StoreError> {
        Ok(self.task_rows(
            task_query!(
                "tasks t INDEXED BY open_tasks CROSS JOIN specs s ON s.task = t.number \
                 WHERE t.ended_at IS NULL ORDER BY t.number"
            ),
            [],
        )?)
    }

    fn held_sessions(&mut self) -> Result<Vec<SessionRow>, StoreError> {
        Ok(self.session_rows(
            session_query!("INDEXED BY held_sessions WHERE holder IS NOT NULL ORDER BY number"),
            [],
        )?)
    }

    fn task(&mut self, id: &TaskId) -> Result<Option<TaskRow>, StoreError> {
        Ok(reads::task(&self.connection, id)?)
    }

    fn insert_task(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        Ok(self.insert(row)?)
    }

    fn update_task(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        Ok(self.update(row)?)
    }

    fn update_spec(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        Ok(self.write_spec(row)?)
    }

    fn update_questions(&mut self, row: &TaskRow) -> Result<(), StoreError> {
        Ok(self.write_questions(row)?)
    }

    fn add_events(&mut self, row: &TaskRow, last: u64, events: &EventBatch) -> Result<(), StoreError> {
        Ok(self.add(row, last, (events.first(), events.next() - 1), events.bytes())?)
    }

    fn add_notice(&mut self, row: &TaskRow, position: u64, notice: Bytes) -> Result<(), StoreError> {
        Ok(self.add(row, position, (0, 0), &notice)?)
    }

    fn session(&mut self, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.session_rows(session_query!("WHERE id = ?1"), [id.as_str()])?.pop())
    }

    fn last_task(&mut self, id: &SessionId) -> Result<Option<TaskRow>, StoreError> {
        let sql = task_query!(
            "tasks t INDEXED BY tasks_of_session CROSS JOIN specs s ON s.task = t.number \
             WHERE t.session = ?1 AND t.left_behind = 0 ORDER BY t.number DESC LIMIT 1"
        );
        Ok(self.task_rows(sql, [id.as_str()])?.pop())
    }

    fn forks_of(&mut self, conversation: ConversationId) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT id FROM sessions INDEXED BY unbegun_forks \
                   WHERE fork_from IS NOT NULL AND conversation IS NULL AND fork_from = ?1 ORDER BY number";
        Ok(self.session_ids(sql, [conversation.to_string()])?)
    }

    fn empty_sessions(&mut self, since: Timestamp, most: usize) -> Result<Vec<SessionId>, StoreError> {
        let sql = "SELECT s.id FROM sessions s WHERE s.last_activity < ?1 AND s.holder IS NULL \
                   AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.session = s.id AND t.left_behind = 0) \
                   AND NOT EXISTS (SELECT 1 FROM sessions f INDEXED BY unbegun_forks WHERE f.fork_from IS NOT NULL \
                   AND f.conversation IS NULL AND f.fork_from = s.conversation) ORDER BY s.last_activity, s.id LIMIT ?2";
        Ok(self.session_ids(sql, [since.millis(), bound(most as u64)])?)
    }

    fn put_session(&mut self, row: &SessionRow) -> Result<(), StoreError> {
        Ok(self.put(row)?)
    }

    fn delete_session(&mut self, id: &SessionId) -> Result<(), StoreError> {
        Ok(self.forget_session(id)?)
    }

    fn sessions(&mut self) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(reads::sessions(&self.connection)?)
    }

    fn ended_weight(&mut self) -> Result<(u64, u64), StoreError> {
        Ok(self.weigh()?)
    }

    fn next_ended(&mut self, after: Option<&EndedPlace>) -> Result<Option<EndedTask>, StoreError> {
        Ok(self.first_ended(after)?)
    }

    fn drop_task(&mut self, task: &EndedTask, counters: Counters) -> Result<(), StoreError> {
        Ok(self.forget(task, counters)?)
    }
}

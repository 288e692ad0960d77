//! Lists of tasks. First the numbers of those that are wanted, of at most so many that are looked at; then their rows.

use rusqlite::types::ToSql;
use rusqlite::{Connection, params_from_iter};
use store::{LOOKED_AT, TaskOrder, TaskPage, TaskQuery};

use crate::fault::Fault;
use crate::rows::{bound, path_text, signed, task_query, task_row};

type Values = Vec<Box<dyn ToSql>>;

/// A page of a list.
pub(crate) fn page(connection: &Connection, query: &TaskQuery) -> Result<TaskPage, Fault> {
    let (looked_at, last) = looked_at(connection, query)?;
    let mut numbers = wanted(connection, query)?;
    let is_cut = numbers.len() > query.most;
    numbers.truncate(query.most);
    let next = if is_cut { numbers.last().copied() } else { last.filter(|_| looked_at == LOOKED_AT) };
    let mut statement = connection
        .prepare_cached(task_query!("tasks t CROSS JOIN specs s ON s.task = t.number WHERE t.number = ?1"))?;
    let mut tasks = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut rows = statement.query([signed(number)])?;
        // One that was dropped meanwhile is left out.
        tasks.extend(rows.next()?.map(task_row).transpose()?.map(|row| row.record));
    }
    Ok(TaskPage { tasks, next })
}

/// Where the numbers come from: the index that leaves the fewest to be looked at.
fn candidates(query: &TaskQuery, values: &mut Values) -> String {
    let filter = &query.filter;
    let (column, source) = if let Some(session) = &filter.session {
        values.push(Box::new(session.as_str().to_owned()));
        ("number", "tasks INDEXED BY tasks_of_session WHERE session = ?".to_owned())
    } else if let Some(label) = filter.labels.iter().find(|label| label.value.is_some()) {
        values.push(Box::new(label.key.clone()));
        values.push(Box::new(label.value.clone()));
        ("task", "labels WHERE key = ? AND value = ?".to_owned())
    } else if !filter.statuses.is_empty() && filter.statuses.iter().all(|status| !status.is_terminal()) {
        ("number", "tasks INDEXED BY open_tasks WHERE ended_at IS NULL".to_owned())
    } else {
        ("number", "tasks WHERE true".to_owned())
    };
    let (newer, direction) = match query.order {
        TaskOrder::NewestFirst => ("<", "DESC"),
        TaskOrder::OldestFirst => (">", "ASC"),
    };
    let mut bounds = String::new();
    if let Some(after) = query.after {
        values.push(Box::new(bound(after)));
        bounds = format!(" AND {column} {newer} ?");
    }
    format!("SELECT {column} AS number FROM {source}{bounds} ORDER BY {column} {direction} LIMIT {LOOKED_AT}")
}

/// How many are looked at, and the last of them.
fn looked_at(connection: &Connection, query: &TaskQuery) -> Result<(usize, Option<u64>), Fault> {
    let mut values = Values::new();
    let candidates = candidates(query, &mut values);
    let last = match query.order {
        TaskOrder::NewestFirst => "min",
        TaskOrder::OldestFirst => "max",
    };
    let sql = format!("SELECT count(*), {last}(number) FROM ({candidates})");
    let mut statement = connection.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?));
    let (count, last) = statement.query_row(params_from_iter(values), read)?;
    Ok((usize::try_from(count).unwrap_or(LOOKED_AT), last.map(i64::cast_unsigned)))
}

/// The numbers of those that are wanted, one more than asked for if there are more.
fn wanted(connection: &Connection, query: &TaskQuery) -> Result<Vec<u64>, Fault> {
    let mut values = Values::new();
    let candidates = candidates(query, &mut values);
    let conditions = conditions(query, &mut values)?;
    let direction = match query.order {
        TaskOrder::NewestFirst => "DESC",
        TaskOrder::OldestFirst => "ASC",
    };
    values.push(Box::new(bound(query.most as u64 + 1)));
    let sql = format!(
        "SELECT t.number FROM ({candidates}) c CROSS JOIN tasks t ON t.number = c.number WHERE true{conditions} \
         ORDER BY t.number {direction} LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let numbers = statement.query_map(params_from_iter(values), |row| row.get::<_, i64>(0))?;
    Ok(numbers.map(|number| number.map(i64::cast_unsigned)).collect::<Result<_, _>>()?)
}

fn conditions(query: &TaskQuery, values: &mut Values) -> Result<String, Fault> {
    let filter = &query.filter;
    let mut sql = String::new();
    if let Some(principal) = &filter.principal {
        sql.push_str(" AND t.principal = ?");
        values.push(Box::new(principal.as_str().to_owned()));
    }
    if !filter.statuses.is_empty() {
        let places = vec!["?"; filter.statuses.len()].join(", ");
        sql.push_str(&format!(" AND t.status IN ({places})"));
        values.extend(filter.statuses.iter().map(|status| Box::new(status.as_str()) as Box<dyn ToSql>));
    }
    if let Some(workspace) = &filter.workspace {
        sql.push_str(" AND t.workspace = ?");
        values.push(Box::new(path_text(workspace)?.to_owned()));
    }
    for label in &filter.labels {
        let value = if label.value.is_some() { " AND l.value = ?" } else { "" };
        sql.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM labels l WHERE l.task = t.number AND l.key = ?{value})"
        ));
        values.push(Box::new(label.key.clone()));
        values.extend(label.value.clone().map(|value| Box::new(value) as Box<dyn ToSql>));
    }
    if let Some(from) = filter.created_from {
        sql.push_str(" AND t.created_at >= ?");
        values.push(Box::new(from.millis()));
    }
    if let Some(before) = filter.created_before {
        sql.push_str(" AND t.created_at < ?");
        values.push(Box::new(before.millis()));
    }
    Ok(sql)
}

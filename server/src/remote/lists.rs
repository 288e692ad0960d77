//! `tasks` and `sessions`.

use api::{SessionInfo, TaskStatusResponse};
use client::{TaskQuery, table};
use domain::{SessionStatus, TaskStatus};

use super::{EXIT_DONE, brief_client_of, say, say_json};
use crate::cli::{SessionsArguments, TasksArguments};

/// Most tasks that a server gives at once.
const PAGE: u64 = 200;

/// Lists tasks.
pub(super) async fn tasks(arguments: &TasksArguments) -> anyhow::Result<u8> {
    let client = brief_client_of(&arguments.server)?;
    let mut query = TaskQuery {
        statuses: arguments.status.iter().map(|status| status.as_str().to_owned()).collect(),
        session: arguments.session.clone(),
        ..TaskQuery::default()
    };
    let mut tasks = Vec::new();
    let mut wanted = arguments.limit;
    while wanted > 0 {
        query.limit = wanted.min(PAGE);
        let page = client.tasks(&query).await?;
        wanted = wanted.saturating_sub(page.tasks.len() as u64);
        tasks.extend(page.tasks);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    if arguments.json {
        return as_json(&tasks);
    }
    let heading = ["TASK", "STATUS", "CREATED", "TURNS", "TOKENS", "USD", "WORKSPACE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(tasks.iter().map(task_row)).collect();
    say(&table(&rows))?;
    Ok(EXIT_DONE)
}

fn task_row(task: &TaskStatusResponse) -> [String; 7] {
    let cost =
        task.result.as_ref().map_or_else(String::new, |result| format!("{:.4}", result.total_cost_usd));
    let is_waiting = task.status == TaskStatus::Running && task.waiting.is_some();
    let status = if is_waiting { "waiting" } else { task.status.as_str() };
    [
        task.task_id.to_string(),
        status.to_owned(),
        task.created_at.to_string(),
        task.progress.turns.to_string(),
        task.progress.tokens_used.to_string(),
        cost,
        task.workspace.clone(),
    ]
}

/// Lists sessions.
pub(super) async fn sessions(arguments: &SessionsArguments) -> anyhow::Result<u8> {
    let sessions = brief_client_of(&arguments.server)?.sessions().await?.sessions;
    if arguments.json {
        return as_json(&sessions);
    }
    let heading = ["SESSION", "STATUS", "LAST ACTIVITY", "TASKS", "WORKSPACE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(sessions.iter().map(session_row)).collect();
    say(&table(&rows))?;
    Ok(EXIT_DONE)
}

fn session_row(session: &SessionInfo) -> [String; 5] {
    let status = match session.status {
        SessionStatus::Active => "active",
        SessionStatus::Idle => "idle",
        SessionStatus::Terminated => "terminated",
    };
    [
        session.session_id.to_string(),
        status.to_owned(),
        session.last_activity.to_string(),
        session.tasks.len().to_string(),
        session.workspace.clone(),
    ]
}

fn as_json<T: serde::Serialize>(items: &[T]) -> anyhow::Result<u8> {
    for item in items {
        say_json(item)?;
    }
    Ok(EXIT_DONE)
}

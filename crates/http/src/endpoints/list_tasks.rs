//! `GET /api/v1/tasks`: the tasks, by what they are, a page at a time.

use std::sync::Arc;

use api::{Problem, TaskList};
use axum::Json;
use axum::extract::State;
use domain::{LabelFilter, SessionId, Timestamp};
use store::{TaskFilter, TaskOrder, TaskQuery};

use crate::access::{May, TasksRead};
use crate::answer;
use crate::query::{LARGEST, Parameters};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::stream::filter::{status, workspace};

/// Tasks of a page, usually and at most.
const USUAL: u64 = 50;
const MOST: u64 = 200;
/// Most labels that one list is chosen by: each is looked up for each task.
const MOST_LABELS: usize = 16;

/// The caller's tasks, a page at a time, in a stable order: a task that is submitted meanwhile moves no other one.
#[utoipa::path(
    get,
    path = "/api/v1/tasks",
    tag = "tasks",
    operation_id = "list_tasks",
    security(("bearer" = ["tasks:read"])),
    params(
        ("status" = Option<String>, Query, pattern = "^((pending|running|completed|failed|interrupted)(,(pending|running|completed|failed|interrupted))*)?$", description = "Only tasks in these, with commas between them.", example = "running,failed"),
        ("session_id" = Option<domain::SessionId>, Query, description = "Only this session's."),
        ("workspace" = Option<String>, Query, pattern = "^(/.*)?$", description = "Only this workspace's: an absolute path."),
        ("label" = Option<String>, Query, description = "Only tasks with this label: `key` or `key=value`. May be given several times.", example = "team=platform"),
        ("created_from" = Option<String>, Query, format = DateTime, description = "Only tasks that were admitted then or later."),
        ("created_before" = Option<String>, Query, format = DateTime, description = "Only tasks that were admitted before."),
        ("order" = Option<String>, Query, pattern = "^(newest|oldest)?$", description = "`newest` first, as is usual, or `oldest`."),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 200, description = "Most tasks of the page; 50 when left out."),
        ("cursor" = Option<u64>, Query, description = "Where the page before has ended: its `next_cursor`."),
    ),
    responses(
        (status = 200, description = "The page.", body = TaskList),
        (status = 422, description = "A parameter has a fault.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksRead>,
    mut parameters: Parameters,
) -> Result<Json<TaskList>, Refusal> {
    let query = query(&mut parameters, &may).await;
    parameters.check()?;
    let page = state.engine.tasks(&query).await?;
    Ok(Json(TaskList {
        tasks: page.tasks.into_iter().map(answer::status).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    }))
}

async fn query(parameters: &mut Parameters, may: &May<TasksRead>) -> TaskQuery {
    let time = |text: &str| {
        let fault = "must be a time with its zone as RFC 3339 has it, such as 2026-01-19T10:00:00Z";
        Timestamp::parse(text).ok_or_else(|| fault.to_owned())
    };
    let mut statuses = parameters.list("status", status);
    statuses.sort_unstable_by_key(|status| status.as_str());
    statuses.dedup();
    let filter = TaskFilter {
        principal: may.caller.view().cloned(),
        statuses,
        session: parameters
            .parsed("session_id", |id| SessionId::parse(id).map_err(|error| error.to_string())),
        workspace: workspace(parameters).await,
        labels: parameters.each("label", |text| LabelFilter::parse(text).map_err(|error| error.to_string())),
        created_from: parameters.parsed("created_from", time),
        created_before: parameters.parsed("created_before", time),
    };
    if filter.labels.len() > MOST_LABELS {
        parameters.fault("?label", format!("may be given at most {MOST_LABELS} times"));
    }
    let order = parameters.parsed("order", |word| match word {
        "newest" => Ok(TaskOrder::NewestFirst),
        "oldest" => Ok(TaskOrder::OldestFirst),
        _ => Err("must be newest or oldest".to_owned()),
    });
    let most = parameters.whole("limit", 1..=MOST).unwrap_or(USUAL);
    TaskQuery {
        filter,
        order: order.unwrap_or_default(),
        after: parameters.whole("cursor", 0..=LARGEST),
        most: usize::try_from(most).unwrap_or(usize::MAX),
    }
}

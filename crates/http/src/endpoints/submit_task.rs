//! `POST /api/v1/tasks`: submits a task.

use std::sync::Arc;

use api::{Code, Problem, TaskRequest, TaskResponse};
use auth::{Identity, Scope, Scopes};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{SessionId, TaskId, TaskSpec};
use engine::{SubmitRefused, TaskView};
use store::SubmitError;
use telemetry::Refused;

use crate::access::{May, TasksWrite};
use crate::answer;
use crate::measured::Traced;
use crate::reached::Reached;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission::{self, Reach, Received};
use crate::ticket::{Opens, shared};

/// Submits a task. The same id and body again is the same task.
#[utoipa::path(
    post,
    path = "/api/v1/tasks",
    tag = "tasks",
    operation_id = "submit_task",
    security(("bearer" = ["tasks:write"])),
    request_body = TaskRequest,
    responses(
        (status = 200, description = "It is admitted, and will be however the server ends.", body = TaskResponse),
        (status = 400, description = "The workspace is missing, no folder, or outside of the permitted folders, or the body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 403, description = "The server's policy does not allow an option, or the key is wrong or lacks the scope.", content_type = "application/problem+json", body = Problem),
        (status = 404, description = "The session to go on from is unknown.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "The task id is taken by another body, its session is there already, the session is busy, has another workspace, or has nothing to fork.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body does not match the schema: `errors` points at every fault.", content_type = "application/problem+json", body = Problem),
        (status = 503, description = "The queue is full, the server is about to stop, too many bodies are under way, or the workspace's file system does not answer: see `Retry-After`.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksWrite>,
    reached: Reached,
    traced: Traced,
    body: Received,
) -> Result<Json<TaskResponse>, Refusal> {
    let request = submission::task_request(&body)?;
    submit(&state, &may.caller, (&reached, traced), request).await.map(Json)
}

/// Submits a task, or finds the one that an equal submission made. A refusal for want of something that the server lacks now is counted.
pub(super) async fn submit(
    state: &AppState,
    caller: &Identity,
    (reached, traced): (&Reached, Traced),
    request: TaskRequest,
) -> Result<TaskResponse, Refusal> {
    let submitted = find_or_admit(state, caller, (reached, traced), request).await;
    if let Err(refusal) = &submitted
        && let Some(reason) = lacks(refusal)
    {
        state.metrics.task_refused(reason);
    }
    submitted
}

fn lacks(refusal: &Refusal) -> Option<Refused> {
    match (refusal.status, refusal.code) {
        (StatusCode::SERVICE_UNAVAILABLE, Code::QueueFull) => Some(Refused::queue_full),
        (StatusCode::SERVICE_UNAVAILABLE, Code::ShuttingDown) => Some(Refused::shutting_down),
        (StatusCode::SERVICE_UNAVAILABLE, Code::Internal) => Some(Refused::storage),
        _ => None,
    }
}

async fn find_or_admit(
    state: &AppState,
    caller: &Identity,
    (reached, traced): (&Reached, Traced),
    request: TaskRequest,
) -> Result<TaskResponse, Refusal> {
    let view = match &request.task_id {
        Some(id) => {
            let id = TaskId::parse(id).map_err(|error| submission::invalid("/task_id", error.to_string()))?;
            match state.engine.task(&id).await? {
                // A retry is answered before its folders are looked at: they may have gone since.
                Some(view) if is_same(&view, caller, &request) => view,
                Some(_) => return Err(id_taken(&id)),
                None => admit(state, caller, id, request, traced).await?,
            }
        }
        None => admit(state, caller, TaskId::generate(), request, traced).await?,
    };
    Ok(response(state, caller, reached, &view).await)
}

fn is_same(view: &TaskView, caller: &Identity, request: &TaskRequest) -> bool {
    let spec = &view.record.spec;
    spec.principal == caller.principal && spec.fingerprint == submission::fingerprint(request)
}

async fn admit(
    state: &AppState,
    caller: &Identity,
    id: TaskId,
    request: TaskRequest,
    Traced(trace_parent): Traced,
) -> Result<TaskView, Refusal> {
    state.policy.check(&request.options)?;
    let AppState { defaults, policy, roots, .. } = state;
    let reach =
        if state.engine.is_shared() { Reach::Anywhere(&state.engine) } else { Reach::Here(&state.labels) };
    let place = submission::Place { defaults, policy, roots, reach, now: state.clock.now() };
    let spec = submission::task_spec(id.clone(), caller, request, place).await?;
    let spec = TaskSpec { trace_parent, ..spec };
    match state.engine.submit(spec).await {
        Ok(submitted) => {
            // It is admitted, whether or not its place in the queue can be told.
            let view = state.engine.view(submitted.task.clone()).await;
            Ok(view.unwrap_or(TaskView { record: submitted.task, queued: None }))
        }
        Err(SubmitRefused::ShuttingDown) => Err(Refusal::shutting_down()),
        Err(SubmitRefused::Store(error)) => Err(refused(state, &id, error)),
    }
}

fn id_taken(id: &TaskId) -> Refusal {
    let detail = format!("the task id {id} is taken by a task with another body: choose another id");
    Refusal::new(StatusCode::CONFLICT, Code::TaskIdTaken, detail)
}

fn session_taken(session: &SessionId) -> Refusal {
    let detail = format!(
        "the task's session {session} is there already: delete it, go on in it with session.reuse_existing and \
         session.session_id, or choose another task id"
    );
    Refusal::new(StatusCode::CONFLICT, Code::SessionIdTaken, detail)
}

fn refused(state: &AppState, id: &TaskId, error: SubmitError) -> Refusal {
    let conflict = |code, detail: String| Refusal::new(StatusCode::CONFLICT, code, detail);
    match error {
        SubmitError::IdTaken => id_taken(id),
        SubmitError::QueueFull { waiting } => {
            let detail = format!("the queue is full: {waiting} tasks wait; try again later");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::QueueFull, detail)
                .retry_after(state.engine.retry_after_seconds())
        }
        SubmitError::SessionTaken(session) => session_taken(&session),
        SubmitError::SessionUnknown(session) => Refusal::session_not_found(session.as_str()),
        SubmitError::SessionWorkspaceDiffers(workspace) => {
            let workspace = workspace.display();
            let detail = format!(
                "the session belongs to the workspace {workspace}: name that, or start a new session"
            );
            conflict(Code::SessionWorkspaceDiffers, detail)
        }
        SubmitError::SessionBusy(tasks) => {
            let tasks: Vec<_> = tasks.iter().map(ToString::to_string).collect();
            let detail = format!(
                "the session is busy with {}: wait, or set session.when_busy to enqueue, interrupt or fork",
                tasks.join(", ")
            );
            conflict(Code::SessionBusy, detail)
        }
        SubmitError::NothingToFork(session) => {
            let detail = format!(
                "the session {session} has no conversation yet that could be copied: wait until its first task has begun"
            );
            conflict(Code::NothingToFork, detail)
        }
        SubmitError::DependencyUnknown(task) => {
            let detail = format!("names {task}, and there is no such task: submit that one first");
            submission::invalid("/depends_on", detail)
        }
        SubmitError::Store(error) => error.into(),
    }
}

/// Where callers need a key, their browsers need something else. Whoever submitted a task may see it. They can do without a
/// ticket when too many wait to be used.
async fn ticket(state: &AppState, caller: &Identity, task: &TaskId) -> String {
    if state.auth.is_none() {
        return String::new();
    }
    let holder = Identity { scopes: caller.scopes.and(Scopes::of(&[Scope::TasksRead])), ..caller.clone() };
    let issued = shared::issue(state, Opens::Task(task.clone()), &holder).await;
    issued.map(|issued| format!("?ticket={}", issued.ticket)).unwrap_or_default()
}

async fn response(state: &AppState, caller: &Identity, reached: &Reached, view: &TaskView) -> TaskResponse {
    let base = reached.websocket_base(state);
    let task = &view.record;
    let id = &task.spec.task_id;
    let (queue_position, estimated_start_at) = answer::place(view.queued);
    TaskResponse {
        task_id: id.clone(),
        session_id: task.session_id.clone(),
        status: task.status,
        websocket_url: format!("{base}/ws/tasks/{id}{}", ticket(state, caller, id).await),
        created_at: task.created_at,
        queue_position,
        estimated_start_at,
    }
}

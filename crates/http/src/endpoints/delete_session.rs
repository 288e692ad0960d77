//! `DELETE /api/v1/sessions/{session_id}`: ends a session; with `?force=true` also a busy one.

use std::sync::Arc;

use api::{Code, Deleted, Problem};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{SessionId, TaskId};
use engine::{DeleteSessionError, InterruptFirst};

use crate::access::{May, SessionsWrite};
use crate::query::Parameters;
use crate::refusal::Refusal;
use crate::state::AppState;

/// Ends a session: its agent, its conversation and its place in the list. Its tasks stay readable.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{session_id}",
    tag = "sessions",
    operation_id = "delete_session",
    security(("bearer" = ["sessions:write"])),
    params(("session_id" = String, Path, description = "The session."), ("force" = Option<bool>, Query, description = "Interrupts what runs in it first.")),
    responses(
        (status = 200, description = "It is gone.", body = Deleted),
        (status = 404, description = "There is no such session.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "A task runs or waits in it, or is to fork it.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "A parameter has a fault.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<SessionsWrite>,
    Path(id): Path<String>,
    mut parameters: Parameters,
) -> Result<Json<Deleted>, Refusal> {
    let force = parameters.flag("force").unwrap_or(false);
    parameters.check()?;
    let session = may.session(&state, &id).await?.id;
    let interrupt_first = if force { InterruptFirst::Yes } else { InterruptFirst::No };
    let names = |tasks: &[TaskId]| tasks.iter().map(TaskId::as_str).collect::<Vec<_>>().join(", ");
    let conflict = |detail: String| Refusal::new(StatusCode::CONFLICT, Code::SessionBusy, detail);
    match state.engine.delete_session(&session, interrupt_first).await {
        Ok(()) => Ok(Json(Deleted { message: format!("Session {session} deleted") })),
        Err(DeleteSessionError::Unknown) => Err(Refusal::session_not_found(&id)),
        Err(DeleteSessionError::Busy(tasks)) => {
            let tasks = names(&tasks);
            Err(conflict(format!("the session is busy with {tasks}: wait, or delete it with ?force=true")))
        }
        Err(DeleteSessionError::Forked(forks)) => {
            let forks = forks.iter().map(SessionId::as_str).collect::<Vec<_>>().join(", ");
            Err(conflict(format!(
                "{forks} are to begin with a copy of the session's conversation: run a task in them first, or delete them"
            )))
        }
        Err(DeleteSessionError::StillHeld) => {
            Err(conflict("the session's agent has not ended yet: try again".to_owned()))
        }
        Err(DeleteSessionError::Store(error)) => Err(error.into()),
    }
}

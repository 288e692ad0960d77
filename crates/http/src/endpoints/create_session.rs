//! `POST /api/v1/sessions`: makes a session before its first task.

use std::sync::Arc;

use api::{Code, Problem, SessionCreation, SessionInfo};
use auth::Identity;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::SessionId;
use std::path::PathBuf;
use store::{CreateSession, CreateSessionError};

use crate::access::{May, SessionsWrite};
use crate::answer;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission::{self, Received};

/// Makes a session before its first task. Tasks go on with it by `session.reuse_existing`.
#[utoipa::path(
    post,
    path = "/api/v1/sessions",
    tag = "sessions",
    operation_id = "create_session",
    security(("bearer" = ["sessions:write"])),
    request_body = SessionCreation,
    responses(
        (status = 201, description = "The session.", body = SessionInfo),
        (status = 400, description = "The workspace is missing, no folder, or outside of the permitted folders, or the body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "The session id is taken.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body does not match the schema.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<SessionsWrite>,
    body: Received,
) -> Result<(StatusCode, Json<SessionInfo>), Refusal> {
    let (id, workspace) = submission::session_creation(&body)?;
    let workspace = state.roots.resolve("workspace", workspace.as_ref(), None).await?;
    create(&state, &may.caller, id, Some(workspace), None).await
}

/// Makes a session, with a workspace or as a copy of another one.
pub(super) async fn create(
    state: &AppState,
    caller: &Identity,
    id: SessionId,
    workspace: Option<PathBuf>,
    fork: Option<SessionId>,
) -> Result<(StatusCode, Json<SessionInfo>), Refusal> {
    let (principal, now) = (caller.principal.clone(), state.clock.now());
    let command = CreateSession { id: id.clone(), principal, workspace, fork, now };
    let conflict = |code, detail: String| Err(Refusal::new(StatusCode::CONFLICT, code, detail));
    match state.engine.create_session(command).await {
        Ok(session) => Ok((StatusCode::CREATED, Json(answer::session(session)))),
        Err(CreateSessionError::IdTaken) => {
            conflict(Code::SessionIdTaken, format!("the session id {id} is taken: choose another one"))
        }
        Err(CreateSessionError::ForkUnknown(origin)) => Err(Refusal::session_not_found(origin.as_str())),
        Err(CreateSessionError::NothingToFork(origin)) => conflict(
            Code::NothingToFork,
            format!(
                "the session {origin} has no conversation yet that could be copied: run a task in it first"
            ),
        ),
        Err(CreateSessionError::NoWorkspace) => Err(submission::invalid("/workspace", "is required")),
        Err(CreateSessionError::Store(error)) => Err(error.into()),
    }
}

//! From a request's bytes to a task that the engine can admit.

mod body;
mod read;
mod workspace;

use std::time::Duration;

use api::{Code, Fault, TaskRequest};
use axum::http::StatusCode;
use domain::{
    Fingerprint, Policy, Principal, Schedule, SessionChoice, SessionId, TaskId, TaskOptions, TaskSpec,
    WhenBusy,
};
use sha2::{Digest, Sha256};

pub(crate) use body::bytes;
pub(crate) use read::task_request;
pub use workspace::WorkspaceRoots;

use crate::refusal::Refusal;
use crate::state::TaskDefaults;

/// Digest of what was asked for: equal for equal requests, whatever their white space and key order.
pub(crate) fn fingerprint(request: &TaskRequest) -> Fingerprint {
    Fingerprint(Sha256::digest(serde_json::to_vec(request).unwrap_or_default()).into())
}

/// A single fault of a body.
pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Refusal {
    invalid_all(vec![Fault { pointer: pointer.to_owned(), detail: detail.into() }])
}

/// The faults of a body.
pub(crate) fn invalid_all(faults: Vec<Fault>) -> Refusal {
    let detail = faults.iter().map(|fault| match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("{pointer} {}", fault.detail),
    });
    let detail = detail.collect::<Vec<_>>().join("; ");
    Refusal { faults, ..Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Code::InvalidRequest, detail) }
}

/// Puts defaults where the request says nothing, and checks its folders.
pub(crate) async fn task_spec(
    task_id: TaskId,
    request: TaskRequest,
    defaults: &TaskDefaults,
    roots: &WorkspaceRoots,
) -> Result<TaskSpec, Refusal> {
    let fingerprint = fingerprint(&request);
    let workspace = roots.resolve("workspace", request.workspace.as_ref(), None).await?;
    let working_directory = match &request.options.cwd {
        Some(cwd) => roots.resolve("options.cwd", cwd.as_ref(), Some(&workspace)).await?,
        None => workspace.clone(),
    };
    let session = match (request.session.reuse_existing, &request.session.session_id) {
        (false, _) => SessionChoice::New,
        (true, Some(id)) => {
            let id = SessionId::parse(id).map_err(|_| Refusal::session_not_found(id))?;
            SessionChoice::Reuse { id, when_busy: WhenBusy::Enqueue }
        }
        (true, None) => return Err(invalid("/session/session_id", "is needed with reuse_existing")),
    };
    let options = request.options;
    let options = TaskOptions {
        allowed_tools: options.allowed_tools.unwrap_or_else(|| defaults.allowed_tools.clone()),
        permission_mode: options.permission_mode.unwrap_or(defaults.permission_mode),
        max_turns: Some(options.max_turns.unwrap_or(defaults.max_turns)),
        timeout: options.timeout.map_or(defaults.timeout, Duration::from_secs),
        model: options.model.or_else(|| defaults.model.clone()),
        max_budget_usd: None,
    };
    Ok(TaskSpec {
        task_id,
        fingerprint,
        principal: Principal::default(),
        prompt: request.prompt,
        workspace,
        working_directory,
        options,
        session,
        schedule: Schedule::default(),
        policy: Policy::default(),
    })
}

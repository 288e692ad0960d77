//! From a request's bytes to a task that the engine can admit.

mod answer;
mod body;
mod change;
mod fields;
mod labels;
mod reach;
mod read;
mod ticket;
mod workspace;

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::{Code, Fault, OptionsRequest, SessionRequest, TaskRequest};
use auth::Identity;
use axum::http::StatusCode;
use domain::{
    AgentOptions, Fingerprint, Policy, Priority, Retry, Schedule, SessionChoice, SessionId, TaskId,
    TaskOptions, TaskSpec, Timestamp,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub(crate) use answer::{AnswerRequest, answer_request};
pub use body::BodyBudget;
pub(crate) use body::{MAX_BODY_BYTES, Received};
pub(crate) use change::{MAX_BATCH, batch, fork_request, message_request, session_creation, task_change};
pub(crate) use reach::Reach;
pub use read::{are_tool_rules, is_model_name};
pub(crate) use read::{task_of, task_request};
pub(crate) use ticket::ticket_request;
pub(crate) use workspace::LOOKS;
pub use workspace::WorkspaceRoots;

use crate::policy::CallerPolicy;
use crate::refusal::Refusal;
use crate::state::TaskDefaults;

/// A task that waits takes a place in the queue: nobody keeps one for ever.
const LONGEST_DELAY: Duration = Duration::from_secs(30 * 24 * 3600);

/// Digest of what was asked for: equal for equal requests, whatever their white space and key order.
pub(crate) fn fingerprint(request: &TaskRequest) -> Fingerprint {
    Fingerprint(Sha256::digest(serde_json::to_vec(request).unwrap_or_default()).into())
}

/// A single fault of a body.
pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Refusal {
    invalid_all(vec![Fault { pointer: pointer.to_owned(), detail: detail.into() }])
}

/// Most faults that are told at once.
const MAX_FAULTS: usize = 100;

/// The faults of a body, the first ones of very many.
pub(crate) fn invalid_all(mut faults: Vec<Fault>) -> Refusal {
    faults.truncate(MAX_FAULTS);
    let detail = faults.iter().map(|fault| match fault.pointer.as_str() {
        "" => fault.detail.clone(),
        pointer => format!("{pointer} {}", fault.detail),
    });
    let detail = detail.collect::<Vec<_>>().join("; ");
    Refusal { faults, ..Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Code::InvalidRequest, detail) }
}

/// What a submission is looked at with.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) defaults: &'a TaskDefaults,
    pub(crate) policy: &'a CallerPolicy,
    pub(crate) roots: &'a WorkspaceRoots,
    pub(crate) reach: Reach<'a>,
    pub(crate) now: Timestamp,
}

impl Place<'_> {
    /// The folder that a field names, here or at another server. A relative path counts from `base`.
    async fn folder(&self, field: &str, given: &str, base: Option<&Path>) -> Result<PathBuf, Refusal> {
        match self.roots.resolve(field, given.as_ref(), base).await {
            Ok(folder) => Ok(folder),
            Err(refused) => {
                let folder = base.map_or_else(|| PathBuf::from(given), |base| base.join(given));
                // What lies below the own roots was looked at here, and others have the same there.
                if self.roots.are_above(&folder) {
                    return Err(refused);
                }
                self.reach.elsewhere(&folder, refused).await
            }
        }
    }
}

/// Puts defaults where the request says nothing, and checks its folders. A delay counts from `now`.
pub(crate) async fn task_spec(
    task_id: TaskId,
    caller: &Identity,
    request: TaskRequest,
    place: Place<'_>,
) -> Result<TaskSpec, Refusal> {
    let Place { defaults, policy: bounds, now, .. } = place;
    let fingerprint = fingerprint(&request);
    place.reach.check_labels(&request.runs_on)?;
    let workspace = place.folder("workspace", &request.workspace, None).await?;
    let working_directory = match &request.options.cwd {
        Some(cwd) => place.folder("options.cwd", cwd, Some(&workspace)).await?,
        None => workspace.clone(),
    };
    let mut add_dirs = Vec::new();
    for dir in request.options.add_dirs.iter().flatten() {
        add_dirs.push(place.folder("options.add_dirs", dir, Some(&workspace)).await?);
    }
    let delay = request.delay_seconds.map(|seconds| now.after(Duration::from_secs(seconds)));
    let start_at = request.start_at.or(delay);
    if start_at.is_some_and(|start_at| start_at > now.after(LONGEST_DELAY)) {
        return Err(invalid("/start_at", "must lie within the next 30 days"));
    }
    Ok(TaskSpec {
        task_id,
        fingerprint,
        principal: caller.principal.clone(),
        workspace,
        working_directory,
        session: session(&request.session)?,
        policy: policy(&request, defaults),
        schedule: Schedule {
            priority: request.priority.and_then(Priority::new).unwrap_or_default(),
            start_at,
            depends_on: request.depends_on,
            max_running: caller.max_running,
            runs_on: request.runs_on,
        },
        labels: request.labels,
        metadata: request.metadata.map(|metadata| Value::Object(metadata).to_string()),
        options: options(request.options, add_dirs, defaults, bounds),
        prompt: request.prompt,
        trace_parent: None,
    })
}

fn session(request: &SessionRequest) -> Result<SessionChoice, Refusal> {
    // Who wants to reuse a session and names none wants one if there is one.
    let Some(id) = request.session_id.as_ref().filter(|_| request.reuse_existing || request.fork) else {
        return Ok(SessionChoice::New);
    };
    let id = SessionId::parse(id).map_err(|_| Refusal::session_not_found(id))?;
    let when_busy = request.when_busy.unwrap_or_default();
    Ok(if request.fork { SessionChoice::Fork(id) } else { SessionChoice::Reuse { id, when_busy } })
}

fn options(
    request: OptionsRequest,
    add_dirs: Vec<PathBuf>,
    defaults: &TaskDefaults,
    bounds: &CallerPolicy,
) -> TaskOptions {
    let max_turns = defaults.max_turns.min(bounds.max_turns.unwrap_or(u32::MAX));
    let timeout = defaults.timeout.min(bounds.max_timeout.unwrap_or(Duration::MAX));
    let json = |object: Option<Map<String, Value>>| object.map(|object| Value::Object(object).to_string());
    let agent = AgentOptions {
        system_prompt: request.system_prompt,
        append_system_prompt: request.append_system_prompt,
        tools: request.tools,
        disallowed_tools: request.disallowed_tools.unwrap_or_default(),
        fallback_model: request.fallback_model,
        effort: request.effort,
        max_thinking_tokens: request.max_thinking_tokens,
        add_dirs,
        agents: json(request.agents),
        mcp_servers: json(request.mcp_servers),
        output_schema: json(request.output_schema),
    };
    TaskOptions {
        allowed_tools: request.allowed_tools.unwrap_or_else(|| defaults.allowed_tools.clone()),
        permission_mode: request.permission_mode.unwrap_or(defaults.permission_mode),
        max_turns: Some(request.max_turns.unwrap_or(max_turns)),
        timeout: request.timeout.map_or(timeout, Duration::from_secs),
        model: request.model.or_else(|| defaults.model.clone()),
        max_budget_usd: request.max_budget_usd.or(bounds.max_budget_usd),
        agent,
    }
}

fn policy(request: &TaskRequest, defaults: &TaskDefaults) -> Policy {
    let Policy { retry, on_restart, on_stall, background, on_question, answer_within } = defaults.policy;
    Policy {
        retry: Retry {
            max_attempts: request.retry.max_attempts.unwrap_or(retry.max_attempts),
            after_side_effects: request.retry.after_side_effects.unwrap_or(retry.after_side_effects),
        },
        on_restart: request.options.on_restart.unwrap_or(on_restart),
        on_stall: request.options.on_stall.unwrap_or(on_stall),
        background: request.options.background_timeout.map_or(background, Duration::from_secs),
        on_question: request.options.on_question.unwrap_or(on_question),
        answer_within: request.options.answer_within.map_or(answer_within, Duration::from_secs),
    }
}

#[cfg(test)]
mod tests;

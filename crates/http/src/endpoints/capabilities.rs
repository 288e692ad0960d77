//! `GET /api/v1/capabilities`: what this server can do, and what it lets this caller do.

use std::sync::Arc;

use api::{CallerInfo, Capabilities, DefaultsInfo, EVENT_TYPES, LimitsInfo, PolicyInfo};
use axum::Json;
use axum::extract::State;

use super::task_result::MAX_WAIT_SECONDS;
use crate::access::{May, TasksRead};
use crate::state::AppState;
use crate::submission::{MAX_BATCH, MAX_BODY_BYTES};

/// What this server can do, and what it lets this caller do.
#[utoipa::path(
    get,
    path = "/api/v1/capabilities",
    tag = "server",
    operation_id = "capabilities",
    security(("bearer" = ["tasks:read"])),
    responses((status = 200, description = "What it can do.", body = Capabilities))
)]
pub(crate) async fn handle(State(state): State<Arc<AppState>>, may: May<TasksRead>) -> Json<Capabilities> {
    let (policy, defaults) = (&state.policy, &state.defaults);
    Json(Capabilities {
        version: state.version,
        agent_version: state.agent_version.clone(),
        caller: CallerInfo {
            principal: may.caller.principal.clone(),
            scopes: may.caller.scopes.words().collect(),
            is_authenticated: state.auth.is_some(),
        },
        policy: PolicyInfo {
            permission_modes: policy.permission_modes.clone(),
            allowed_tools: policy.tools.clone(),
            models: policy.models.clone(),
            max_turns: policy.max_turns,
            max_timeout: policy.max_timeout.map(|most| most.as_secs()),
            max_budget_usd: policy.max_budget_usd,
            options: policy.options.clone(),
        },
        defaults: DefaultsInfo {
            allowed_tools: defaults.allowed_tools.clone(),
            permission_mode: defaults.permission_mode,
            max_turns: defaults.max_turns,
            timeout: defaults.timeout.as_secs(),
            model: defaults.model.clone(),
        },
        limits: LimitsInfo {
            max_body_bytes: MAX_BODY_BYTES as u64,
            max_batch: MAX_BATCH as u64,
            max_labels: domain::MAX_LABELS as u64,
            max_wait_seconds: MAX_WAIT_SECONDS,
        },
        event_types: EVENT_TYPES.to_vec(),
    })
}

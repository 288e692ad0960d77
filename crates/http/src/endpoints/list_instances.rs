//! `GET /api/v1/instances`: the servers that share the storage.

use std::sync::Arc;

use api::{InstanceInfo, InstanceList};
use axum::Json;
use axum::extract::State;

use crate::access::{Admin, May};
use crate::refusal::Refusal;
use crate::state::AppState;

/// The servers that share the storage, oldest first. None when it is this server's alone.
#[utoipa::path(
    get,
    path = "/api/v1/instances",
    tag = "server",
    operation_id = "list_instances",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The servers.", body = InstanceList))
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    _: May<Admin>,
) -> Result<Json<InstanceList>, Refusal> {
    let this = state.engine.instance();
    let found = state.engine.instances().await?.into_iter();
    let instances = found.map(|found| InstanceInfo {
        is_this: this.as_ref() == Some(&found.id),
        instance_id: found.id,
        name: found.name,
        labels: found.labels,
        workspace_roots: found.workspace_roots.iter().map(|root| root.display().to_string()).collect(),
        started_at: found.started_at,
        last_heartbeat: found.last_heartbeat,
        active_tasks: found.running as u64,
        draining: found.draining,
        alive: found.alive,
    });
    Ok(Json(InstanceList { instances: instances.collect() }))
}

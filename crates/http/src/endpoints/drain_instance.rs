//! `POST` and `DELETE /api/v1/instances/{instance_id}/drain`: hands a server nothing more, or something again.

use std::sync::Arc;

use api::{Code, Draining, Problem};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::access::{Admin, May};
use crate::refusal::Refusal;
use crate::state::AppState;

/// Hands a server nothing more. What it runs goes on, and it goes on answering requests.
#[utoipa::path(
    post,
    path = "/api/v1/instances/{instance_id}/drain",
    tag = "server",
    operation_id = "drain_instance",
    security(("bearer" = ["admin"])),
    params(("instance_id" = String, Path, description = "The server.")),
    responses(
        (status = 200, description = "It is handed nothing more.", body = Draining),
        (status = 404, description = "There is no such server.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn begin(
    State(state): State<Arc<AppState>>,
    _: May<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Draining>, Refusal> {
    set(&state, id, true).await
}

/// Hands a server tasks again.
#[utoipa::path(
    delete,
    path = "/api/v1/instances/{instance_id}/drain",
    tag = "server",
    operation_id = "undrain_instance",
    security(("bearer" = ["admin"])),
    params(("instance_id" = String, Path, description = "The server.")),
    responses(
        (status = 200, description = "It is handed tasks again.", body = Draining),
        (status = 404, description = "There is no such server.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn end(
    State(state): State<Arc<AppState>>,
    _: May<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Draining>, Refusal> {
    set(&state, id, false).await
}

async fn set(state: &AppState, instance_id: String, draining: bool) -> Result<Json<Draining>, Refusal> {
    if state.engine.set_draining(&instance_id, draining).await? {
        return Ok(Json(Draining { instance_id, draining }));
    }
    let detail = format!("there is no server {instance_id:?}: GET /api/v1/instances lists them");
    Err(Refusal::new(StatusCode::NOT_FOUND, Code::NotFound, detail))
}

//! All paths.

use std::sync::Arc;

use api::Code;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::endpoints::{
    all_events, all_socket, answer_question, delete_session, get_session, get_task, health, interrupt_task,
    list_sessions, ready, submit_task, task_events, task_result, task_socket,
};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{guard, request_id};

/// The whole API.
pub fn router(state: Arc<AppState>) -> Router {
    let guarded = Router::new()
        .route("/api/v1/tasks", post(submit_task::handle))
        .route("/api/v1/tasks/{task_id}", get(get_task::handle))
        .route("/api/v1/tasks/{task_id}/answers", post(answer_question::handle))
        .route("/api/v1/tasks/{task_id}/events", get(task_events::handle))
        .route("/api/v1/tasks/{task_id}/interrupt", post(interrupt_task::handle))
        .route("/api/v1/tasks/{task_id}/result", get(task_result::handle))
        .route("/api/v1/events", get(all_events::handle))
        .route("/api/v1/sessions", get(list_sessions::handle))
        .route("/api/v1/sessions/{session_id}", get(get_session::handle).delete(delete_session::handle))
        .route("/ws/tasks/{task_id}", get(task_socket::handle))
        .route("/ws/events", get(all_socket::handle))
        .route_layer(from_fn_with_state(Arc::clone(&state), guard::check_key));
    Router::new()
        .merge(guarded)
        .route("/health", get(health::handle))
        .route("/ready", get(ready::handle))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&state), guard::check_host))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(request_id::tag))
        .with_state(state)
}

async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, Code::NotFound, "there is nothing at this path")
}

async fn method_not_allowed() -> Refusal {
    let detail = "this path does not take this method";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, detail)
}

/// The panic itself is in the log, where the panic hook wrote it.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "the server failed; its log says why")
        .into_response()
}

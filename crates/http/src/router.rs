//! All paths.

use std::sync::Arc;

use api::Code;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::endpoints::{
    all_events, all_socket, answer_question, capabilities, change_task, create_session, delete_session,
    delete_task, drain_instance, fork_session, get_session, get_task, health, interrupt_task, issue_ticket,
    list_instances, list_sessions, list_tasks, ready, send_message, session_transcript, submit_batch,
    submit_task, task_events, task_result, task_socket,
};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{caller, dressing, guard, measured, openapi, request_id};

/// The API's routes with the document that describes them, by what is around them.
struct Routes {
    /// For callers who are known.
    guarded: OpenApiRouter<Arc<AppState>>,
    /// The same; these become WebSockets.
    sockets: OpenApiRouter<Arc<AppState>>,
    /// For everybody.
    open: OpenApiRouter<Arc<AppState>>,
}

fn routes() -> Routes {
    let guarded = openapi::documented()
        .routes(routes!(list_tasks::handle, submit_task::handle))
        .routes(routes!(submit_batch::handle))
        .routes(routes!(get_task::handle, change_task::handle, delete_task::handle))
        .routes(routes!(answer_question::handle))
        .routes(routes!(send_message::handle))
        .routes(routes!(task_events::handle))
        .routes(routes!(interrupt_task::handle))
        .routes(routes!(task_result::handle))
        .routes(routes!(all_events::handle))
        .routes(routes!(issue_ticket::handle))
        .routes(routes!(list_sessions::handle, create_session::handle))
        .routes(routes!(fork_session::handle))
        .routes(routes!(session_transcript::handle))
        .routes(routes!(capabilities::handle))
        .routes(routes!(list_instances::handle))
        .routes(routes!(drain_instance::begin, drain_instance::end))
        .routes(routes!(get_session::handle, delete_session::handle));
    Routes {
        guarded,
        sockets: OpenApiRouter::new()
            .routes(routes!(task_socket::handle))
            .routes(routes!(all_socket::handle)),
        open: OpenApiRouter::new().routes(routes!(health::handle)).routes(routes!(ready::handle)),
    }
}

/// The OpenAPI document, as JSON.
pub fn openapi_json() -> String {
    let Routes { guarded, sockets, open } = routes();
    let document = openapi::complete(guarded.merge(sockets).merge(open).into_openapi());
    // Texts and numbers can always be written.
    document.to_pretty_json().unwrap_or_default()
}

/// The whole API.
pub fn router(state: Arc<AppState>) -> Router {
    let Routes { guarded, sockets, open } = routes();
    let known = from_fn_with_state(Arc::clone(&state), caller::check);
    let guarded = guarded.route_layer(dressing::compression()).route_layer(known.clone());
    let (router, document) = guarded.merge(sockets.route_layer(known)).merge(open).split_for_parts();
    let document = Bytes::from(openapi::complete(document).to_json().unwrap_or_default());
    let document = move || async move { ([(CONTENT_TYPE, "application/json")], document) };
    let router = router
        .route("/openapi.json", get(document).layer(dressing::compression()))
        .route("/docs", get(openapi::page))
        .route("/docs/{file}", get(openapi::asset))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&state), guard::check_host))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(request_id::tag))
        .layer(from_fn_with_state(Arc::clone(&state), measured::count));
    // Outside of what makes refusals: pages have to be able to read those, too.
    let router = match state.cors.layer() {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.layer(from_fn(dressing::headers)).with_state(state)
}

/// `GET /metrics`, to be served on a port of its own.
pub fn metrics_router(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/metrics", get(measured::metrics))
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&state), guard::check_host))
        .layer(from_fn(request_id::tag))
        .layer(from_fn(dressing::headers))
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

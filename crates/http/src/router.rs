//! All paths.

use std::sync::{Arc, LazyLock};

use api::Code;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::Path;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::{PathItemExt, routes};

use crate::endpoints::{
    all_events, all_socket, answer_question, capabilities, change_task, create_session, delete_session,
    delete_task, drain_instance, fork_session, get_session, get_task, health, interrupt_task, issue_ticket,
    list_instances, list_sessions, list_tasks, ready, send_message, session_transcript, submit_batch,
    submit_task, task_events, task_result, task_socket,
};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{caller, dressing, guard, measured, openapi, request_id};

/// An endpoint: how it is served, and how it is described. Whoever starts a server wants the first at once and the second hardly ever:
/// to describe all takes longer and more memory than everything else that is done here.
struct Endpoint {
    path: fn() -> String,
    serve: fn(Router<Arc<AppState>>) -> Router<Arc<AppState>>,
    describe: fn(OpenApiRouter<Arc<AppState>>) -> OpenApiRouter<Arc<AppState>>,
}

/// The endpoint of a handler, by its module; with the name of what `utoipa::path` makes beside it when that is not called `handle`.
macro_rules! endpoint {
    ($module:ident) => {
        endpoint!($module::handle, __path_handle)
    };
    ($module:ident::$handler:ident, $path:ident) => {
        Endpoint {
            path: || $module::$path::path(),
            serve: |router| {
                let methods = $module::$path::methods();
                let served = methods.iter().fold(MethodRouter::new(), |served, method| {
                    served.on(method.to_method_filter(), $module::$handler)
                });
                router.route(&$module::$path::path(), served)
            },
            describe: |document| document.routes(routes!($module::$handler)),
        }
    };
}

/// For callers who are known.
const GUARDED: &[Endpoint] = &[
    endpoint!(list_tasks),
    endpoint!(submit_task),
    endpoint!(submit_batch),
    endpoint!(get_task),
    endpoint!(change_task),
    endpoint!(delete_task),
    endpoint!(answer_question),
    endpoint!(send_message),
    endpoint!(task_events),
    endpoint!(interrupt_task),
    endpoint!(task_result),
    endpoint!(all_events),
    endpoint!(issue_ticket),
    endpoint!(list_sessions),
    endpoint!(create_session),
    endpoint!(fork_session),
    endpoint!(session_transcript),
    endpoint!(capabilities),
    endpoint!(list_instances),
    endpoint!(drain_instance::begin, __path_begin),
    endpoint!(drain_instance::end, __path_end),
    endpoint!(get_session),
    endpoint!(delete_session),
];
/// The same; these become WebSockets.
const SOCKETS: &[Endpoint] = &[endpoint!(task_socket), endpoint!(all_socket)];
/// For everybody.
const OPEN: &[Endpoint] = &[endpoint!(health), endpoint!(ready)];

fn served(endpoints: &[Endpoint]) -> Router<Arc<AppState>> {
    endpoints.iter().fold(Router::new(), |router, endpoint| (endpoint.serve)(router))
}

fn described() -> OpenApi {
    let endpoints = [GUARDED, SOCKETS, OPEN].into_iter().flatten();
    let document = endpoints.fold(openapi::documented(), |document, endpoint| (endpoint.describe)(document));
    openapi::complete(document.into_openapi())
}

/// The OpenAPI document, as JSON.
pub fn openapi_json() -> String {
    // Texts and numbers can always be written.
    described().to_pretty_json().unwrap_or_default()
}

/// What `GET /openapi.json` answers: made when it is asked for first.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(described().to_json().unwrap_or_default()));

/// The whole API.
pub fn router(state: Arc<AppState>) -> Router {
    let known = from_fn_with_state(Arc::clone(&state), caller::check);
    let guarded = served(GUARDED).route_layer(dressing::compression()).route_layer(known.clone());
    let router = guarded.merge(served(SOCKETS).route_layer(known)).merge(served(OPEN));
    let document = || async { ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone()) };
    let router = router
        .route("/openapi.json", get(document).layer(dressing::compression()))
        .route("/docs", get(openapi::page))
        .route("/docs/{file}", get(openapi::asset))
        .fallback(moved_or_not_found)
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

/// Paths that document no endpoint.
const PAGES: [&str; 3] = ["/openapi.json", "/docs", "/docs/{file}"];

/// What is there without the slash at the end is told to be there, as FastAPI did.
async fn moved_or_not_found(uri: Uri) -> Result<Redirect, Refusal> {
    let path = uri.path().strip_suffix('/').filter(|path| is_route(path));
    let Some(path) = path else { return Err(not_found().await) };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Redirect::temporary(&format!("{path}{query}")))
}

/// Whether something is at a path. All that is begins with a word, so none of them leads to another server.
fn is_route(path: &str) -> bool {
    let endpoints = [GUARDED, SOCKETS, OPEN].into_iter().flatten().map(|endpoint| (endpoint.path)());
    let mut routes = endpoints.chain(PAGES.map(str::to_owned));
    routes.any(|route| {
        let fits =
            |(wanted, part): (&str, &str)| wanted == part || (wanted.starts_with('{') && !part.is_empty());
        route.split('/').count() == path.split('/').count() && route.split('/').zip(path.split('/')).all(fits)
    })
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

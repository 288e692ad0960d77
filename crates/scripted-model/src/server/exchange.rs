//! One request and its response.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;

use super::error::{ApiError, scripted_message};
use super::record::{Entry, RecordedRequest};
use super::{Shared, models, respond};
use crate::answer::{Outcome, new_id};
use crate::request::MessagesRequest;
use crate::usage::count_only;

/// The largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// All paths go through one handler, so that every request is recorded.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(exchange).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(shared)
}

async fn exchange(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let request_id = new_id("req");
    let (head, body) = request.into_parts();
    let body = read_body(&head, body).await;
    let mut response = match route(&head) {
        Route::Messages => messages(&shared, &head, body).await,
        Route::CountTokens => count_tokens(&shared, &head, body),
        other => {
            let entry = shared.recorder.add(RecordedRequest::new(&head, None));
            Recorded { entry, result: without_body(other, &head) }
        }
    }
    .into_response(&shared, &request_id);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

/// What a path stands for.
#[derive(Debug)]
enum Route<'a> {
    Messages,
    CountTokens,
    Models,
    Model(&'a str),
    Root,
    Unknown,
}

fn route(head: &Parts) -> Route<'_> {
    let path = head.uri.path();
    match (head.method.as_str(), path) {
        ("POST", "/v1/messages") => Route::Messages,
        ("POST", "/v1/messages/count_tokens") => Route::CountTokens,
        ("GET", "/v1/models") => Route::Models,
        ("GET" | "HEAD", "/") => Route::Root,
        ("GET", _) => path.strip_prefix("/v1/models/").map_or(Route::Unknown, Route::Model),
        _ => Route::Unknown,
    }
}

/// A result, and the record in which its status is noted.
struct Recorded {
    entry: Entry,
    result: Result<Response, ApiError>,
}

impl Recorded {
    fn into_response(self, shared: &Shared, request_id: &str) -> Response {
        let response = self.result.unwrap_or_else(|error| error.response(request_id));
        shared.recorder.answered(self.entry, response.status().as_u16());
        response
    }
}

async fn read_body(head: &Parts, body: Body) -> Result<Bytes, ApiError> {
    let mut request = Request::new(body);
    *request.extensions_mut() = head.extensions.clone();
    Bytes::from_request(request, &()).await.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::of_status(413, "Request exceeds the maximum size"),
        _ => ApiError::of_status(400, "The request body could not be read"),
    })
}

fn read_messages(body: Result<Bytes, ApiError>) -> Result<MessagesRequest, ApiError> {
    MessagesRequest::read(&body?).map_err(|invalid| ApiError::of_status(400, invalid.to_string()))
}

async fn messages(shared: &Shared, head: &Parts, body: Result<Bytes, ApiError>) -> Recorded {
    let request = read_messages(body);
    let entry = shared.recorder.add(RecordedRequest::new(head, request.as_ref().ok()));
    let result = match request {
        Ok(request) => answer(shared, &request).await,
        Err(error) => Err(error),
    };
    Recorded { entry, result }
}

async fn answer(shared: &Shared, request: &MessagesRequest) -> Result<Response, ApiError> {
    let answer = shared.mind.answer(request);
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    match answer.outcome {
        Outcome::Reply(reply) if request.stream => Ok(respond::stream(*reply)),
        Outcome::Reply(reply) => respond::whole(*reply).await,
        Outcome::HttpError { status, retry_after } => {
            Err(ApiError::of_status(status, scripted_message(status)).with_retry_after(retry_after))
        }
        // Ends when the client goes away, which drops this future.
        Outcome::Silence => std::future::pending().await,
    }
}

fn count_tokens(shared: &Shared, head: &Parts, body: Result<Bytes, ApiError>) -> Recorded {
    let request = read_messages(body);
    let entry = shared.recorder.add(RecordedRequest::new(head, request.as_ref().ok()));
    let result = request.map(|request| Json(json!({ "input_tokens": count_only(&request) })).into_response());
    Recorded { entry, result }
}

fn without_body(route: Route<'_>, head: &Parts) -> Result<Response, ApiError> {
    match route {
        Route::Models => Ok(Json(models::list()).into_response()),
        Route::Model(id) => match models::find(id) {
            Some(model) => Ok(Json(model).into_response()),
            None => Err(ApiError::of_status(404, format!("model: {id}"))),
        },
        Route::Root if head.method == Method::HEAD => Ok(StatusCode::OK.into_response()),
        Route::Root => Ok("scripted model\n".into_response()),
        _ => Err(ApiError::of_status(404, format!("Not found: {} {}", head.method, head.uri.path()))),
    }
}

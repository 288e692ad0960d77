//! Sends a reply.

use std::io;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};

use super::error::ApiError;
use crate::reply::{Action, Interruption, Reply, actions, message_json};

/// The reply as server-sent events.
pub(super) fn stream(reply: Reply) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(perform(actions(reply)))).into_response()
}

/// The reply as one JSON document. What would happen in mid-stream happens before it: a stall is a delay, an error event an
/// HTTP error; a cut comes in the middle of the body.
pub(super) async fn whole(reply: Reply) -> Result<Response, ApiError> {
    for interruption in &reply.interruptions {
        match interruption {
            Interruption::Stall(time) => tokio::time::sleep(*time).await,
            Interruption::ErrorEvent { error_type } => {
                return Err(ApiError::of_type(error_type, "Scripted error"));
            }
            Interruption::Cut => return Ok(half(&reply)),
        }
    }
    Ok(Json(message_json(&reply)).into_response())
}

fn half(reply: &Reply) -> Response {
    let body = Bytes::from(message_json(reply).to_string());
    let half = [Action::Send(body.slice(..body.len() / 2)), Action::Cut];
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, Body::from_stream(perform(half.into_iter()))).into_response()
}

fn perform(actions: impl Iterator<Item = Action> + Send + 'static) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(actions), |actions| async move {
        let mut actions = actions?;
        loop {
            match actions.next()? {
                Action::Send(bytes) => return Some((Ok(bytes), Some(actions))),
                Action::Wait(time) => tokio::time::sleep(time).await,
                Action::End => return None,
                Action::Cut => {
                    // What was sent before has to go out first; a body that is not ready makes the server flush.
                    tokio::task::yield_now().await;
                    return Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None));
                }
            }
        }
    })
}

//! `GET /api/v1/sessions/{session_id}/transcript`: what was said in a conversation.

use std::convert::Infallible;
use std::sync::Arc;

use api::{Code, Problem};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::access::{May, SessionsRead};
use crate::refusal::Refusal;
use crate::state::AppState;

/// What was said in a conversation so far, oldest first: a JSON object a line, with `uuid`, `parent_uuid`, `type` (`user` or `assistant`),
/// `timestamp`, `is_sidechain` and the `message` as the model API has it. Empty while nothing was said.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session_id}/transcript",
    tag = "sessions",
    operation_id = "session_transcript",
    security(("bearer" = ["sessions:read"])),
    params(("session_id" = String, Path, description = "The session.")),
    responses(
        (status = 200, description = "The messages.", content_type = "application/x-ndjson", body = String),
        (status = 404, description = "There is no such session.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<SessionsRead>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let session = may.session(&state, &id).await?;
    let body = match state.engine.transcript(&session).await {
        Ok(Some(pieces)) => Body::from_stream(stream::unfold(pieces, async |mut pieces| {
            let piece = pieces.recv().await?;
            Some((Ok::<_, Infallible>(piece), pieces))
        })),
        Ok(None) => Body::empty(),
        Err(error) => {
            tracing::error!(session_id = %session.id, %error, "a transcript cannot be read");
            let detail = "the conversation cannot be read; the server's log says why";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Internal, detail).retry_after(5));
        }
    };
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

//! Reads a request's body, bounded.

use api::Code;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;

use crate::refusal::Refusal;

/// Largest body of a submission, in bytes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

pub(crate) async fn bytes(body: Body) -> Result<Bytes, Refusal> {
    to_bytes(body, MAX_BODY_BYTES).await.map_err(|error| {
        let cause = std::error::Error::source(&error);
        if cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
            let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge, detail)
        } else {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                Code::InvalidRequest,
                "the body could not be read to its end",
            )
        }
    })
}

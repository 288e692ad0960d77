//! Reads a request's body, bounded.

use std::time::Duration;

use api::Code;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use tokio::time::timeout;

use crate::refusal::Refusal;

/// Largest body of a submission, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn bytes(body: Body) -> Result<Bytes, Refusal> {
    let invalid = |status, detail: String| Refusal::new(status, Code::InvalidRequest, detail);
    match timeout(BODY_WITHIN, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_over_limit(&error) => {
            let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge, detail))
        }
        Ok(Err(_)) => {
            Err(invalid(StatusCode::BAD_REQUEST, "the body could not be read to its end".to_owned()))
        }
        Err(_) => {
            let detail = format!("the body did not arrive within {} seconds", BODY_WITHIN.as_secs());
            Err(invalid(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

fn is_over_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>())
}

//! Reads a request's body, bounded.

use std::time::Duration;

use api::Code;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::refusal::Refusal;

/// Largest body of a submission, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// What is thrown away of a body that is too large: a client that still sends when we close sees a broken connection instead of
/// our answer.
const MAX_DRAINED_BYTES: usize = 64 * 1024 * 1024;

pub(crate) async fn bytes(body: Body) -> Result<Bytes, Refusal> {
    let invalid = |status, detail: String| Refusal::new(status, Code::InvalidRequest, detail);
    match timeout(BODY_WITHIN, read(body)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
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

/// The whole body; `None` when it is too large.
async fn read(body: Body) -> Result<Option<Bytes>, axum::Error> {
    if body.size_hint().lower() > MAX_DRAINED_BYTES as u64 {
        return Ok(None);
    }
    let mut stream = body.into_data_stream();
    let (mut bytes, mut seen) = (BytesMut::new(), 0);
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        seen += piece.len();
        if seen <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&piece);
        } else {
            bytes = BytesMut::new();
        }
        if seen > MAX_DRAINED_BYTES {
            return Ok(None);
        }
    }
    Ok((seen <= MAX_BODY_BYTES).then(|| bytes.freeze()))
}

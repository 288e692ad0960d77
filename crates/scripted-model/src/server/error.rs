//! Errors in the API's shape.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) error_type: String,
    pub(super) message: String,
    /// In seconds.
    pub(super) retry_after: Option<u32>,
}

/// The API's error types and their status codes.
const TYPES: [(u16, &str); 10] = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (500, "api_error"),
    (504, "timeout_error"),
    (529, "overloaded_error"),
];

impl ApiError {
    /// An error with the type that the API gives to its status.
    pub(super) fn of_status(status: u16, message: impl Into<String>) -> Self {
        let known = TYPES.iter().find(|(known, _)| *known == status).map(|(_, name)| *name);
        let other = if status < 500 { "invalid_request_error" } else { "api_error" };
        Self {
            status,
            error_type: known.unwrap_or(other).to_owned(),
            message: message.into(),
            retry_after: None,
        }
    }

    /// An error with the status that the API gives to its type; an unknown type is a 500.
    pub(super) fn of_type(error_type: &str, message: impl Into<String>) -> Self {
        let status = TYPES.iter().find(|(_, name)| *name == error_type).map_or(500, |(status, _)| *status);
        Self { status, error_type: error_type.to_owned(), message: message.into(), retry_after: None }
    }

    /// Adds a `retry-after` header.
    pub(super) fn with_retry_after(self, retry_after: Option<u32>) -> Self {
        Self { retry_after, ..self }
    }

    /// The response; `request_id` goes into the body as the API does it.
    pub(super) fn response(self, request_id: &str) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error = json!({ "type": self.error_type, "message": self.message });
        let body = json!({ "type": "error", "error": error, "request_id": request_id });
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The message of a scripted error, close to what the API says.
pub(super) fn scripted_message(status: u16) -> &'static str {
    match status {
        401 => "invalid x-api-key",
        403 => "Your API key does not have permission to use the specified resource.",
        404 => "The requested resource could not be found.",
        413 => "Request exceeds the maximum size",
        429 => "This request would exceed your rate limit.",
        529 => "Overloaded",
        status if status >= 500 => "Internal server error",
        _ => "Scripted error",
    }
}

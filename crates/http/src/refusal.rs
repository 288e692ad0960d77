//! An error on its way to the client. The request's id is added on the way out.

use api::{Code, Fault, PROBLEM_CONTENT_TYPE, Problem};
use axum::http::header::{
    CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use store::StoreError;

/// What the client is told.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) detail: String,
    pub(crate) faults: Vec<Fault>,
    pub(crate) retry_after_seconds: Option<u64>,
    /// What a caller has to show, for `WWW-Authenticate`.
    pub(crate) challenge: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            faults: Vec::new(),
            retry_after_seconds: None,
            challenge: None,
        }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub(crate) fn challenge(mut self, challenge: String) -> Self {
        self.challenge = Some(challenge);
        self
    }

    pub(crate) fn task_not_found(id: &str) -> Self {
        let id: String = id.chars().take(domain::MAX_ID_LENGTH).collect();
        Self::new(StatusCode::NOT_FOUND, Code::TaskNotFound, format!("there is no task {id:?}"))
    }

    pub(crate) fn session_not_found(id: &str) -> Self {
        let id: String = id.chars().take(domain::MAX_ID_LENGTH).collect();
        Self::new(StatusCode::NOT_FOUND, Code::SessionNotFound, format!("there is no session {id:?}"))
    }

    pub(crate) fn shutting_down() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::ShuttingDown, "the server is about to stop")
            .retry_after(5)
    }

    /// The log says why.
    pub(crate) fn storage_failed() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Internal, "the storage is not available")
            .retry_after(5)
    }

    pub(crate) fn problem(&self, request_id: &str) -> Problem {
        Problem {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            request_id: request_id.to_owned(),
            errors: self.faults.clone(),
        }
    }

    /// The response, complete.
    pub(crate) fn response(&self, request_id: &str) -> Response {
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
        let challenge =
            self.challenge.as_deref().or((self.status == StatusCode::UNAUTHORIZED).then_some("Bearer"));
        if let Some(Ok(challenge)) = challenge.map(HeaderValue::from_str) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            // RFC 9110, sections 15.5.22 and 7.8; RFC 6455, section 4.2.2.
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // `request_id::tag` puts the body in.
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "request failed");
        Self::storage_failed()
    }
}

//! Errors on the wire: `application/problem+json` (RFC 9457) with a text `detail`, which existing clients print.

use serde::Serialize;
use utoipa::ToSchema;

/// The content type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// Stable machine words for what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body does not match the schema.
    InvalidRequest,
    /// The workspace is missing or is no folder (400), or its file system does not answer (503).
    WorkspaceNotFound,
    /// The workspace is outside the permitted folders.
    WorkspaceNotAllowed,
    /// No such task.
    TaskNotFound,
    /// No such session.
    SessionNotFound,
    /// The task id is taken by another task.
    TaskIdTaken,
    /// The task has already ended.
    TaskFinished,
    /// The task does not wait for the answer to such a question.
    QuestionNotFound,
    /// The question has another answer already.
    AlreadyAnswered,
    /// A task runs in the session.
    SessionBusy,
    /// The session belongs to another workspace.
    SessionWorkspaceDiffers,
    /// The session to be forked has no conversation yet.
    NothingToFork,
    /// The task runs, or has ended: what was asked for needs one that waits, or one that has ended.
    TaskState,
    /// A task that waits depends on the task.
    TaskNeeded,
    /// The session id is taken.
    SessionIdTaken,
    /// Too many tasks wait.
    QueueFull,
    /// The server is at capacity.
    AtCapacity,
    /// The bodies of requests take all the memory that they may take.
    ServerBusy,
    /// The server is about to stop.
    ShuttingDown,
    /// The body is too large.
    BodyTooLarge,
    /// No such path.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The caller makes too many requests.
    RateLimited,
    /// Who calls is not known.
    Unauthorized,
    /// The key is wrong, or the caller comes from a place that is not allowed.
    Forbidden,
    /// The key or token lacks a scope.
    InsufficientScope,
    /// The server's policy does not allow an option.
    OptionNotAllowed,
    /// The Host header names another server.
    HostNotAllowed,
    /// The request is no WebSocket handshake.
    UpgradeRequired,
    /// A fault of the server.
    Internal,
}

/// One fault of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

/// An error's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// A URI for the kind of error; `about:blank` as RFC 9457 has it, since `code` says it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do, for people.
    pub detail: String,
    /// What happened, for machines.
    pub code: Code,
    /// Names the request in the server's log.
    pub request_id: String,
    /// Each fault of a body that does not match the schema.
    pub errors: Vec<Fault>,
}

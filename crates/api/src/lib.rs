//! The wire types of the public API. No logic.
//!
//! Names, types and paths are a contract with existing clients: fields may be added, none may be renamed, dropped
//! or change type.

mod event;
mod problem;
mod session;
mod task;

pub use event::{
    CompleteData, ErrorData, EventBody, EventHeader, MessageData, MessageType, ToolResultData, ToolUseData,
    encode, transient_error,
};
pub use problem::{Code, Fault, PROBLEM_CONTENT_TYPE, Problem};
pub use session::{Deleted, Health, HealthStatus, Ready, SessionInfo, SessionList};
pub use task::{
    InterruptResponse, OptionsRequest, ProgressBody, ResultBody, SessionRequest, TaskRequest, TaskResponse,
    TaskStatusResponse,
};

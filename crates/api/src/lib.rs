//! The wire types of the public API. No logic.
//!
//! Names, types and paths are a contract with existing clients: fields may be added, none may be renamed, dropped
//! or change type. Answers can be read, too: a client of ours reads what the server writes, by the same types.

mod capabilities;
mod event;
mod instance;
mod problem;
mod question;
mod request;
mod session;
mod stream;
mod task;
mod ticket;

pub use capabilities::{CallerInfo, Capabilities, DefaultsInfo, LimitsInfo, PolicyInfo};
pub use event::{
    CompleteData, EVENT_TYPES, ErrorData, EventBody, EventHeader, MessageData, MessageType, StatusData,
    ToolResultData, ToolUseData, encode, kind_of, status_notice, transient_error,
};
pub use instance::{Draining, InstanceInfo, InstanceList};
pub use problem::{Code, Fault, PROBLEM_CONTENT_TYPE, Problem};
pub use question::{AnswerRequest, Decision, QuestionBody};
pub use request::{OptionsRequest, RetryRequest, SessionRequest, TaskRequest};
pub use session::{
    Deleted, ForkRequest, Health, HealthStatus, Ready, SessionCreation, SessionInfo, SessionList,
};
pub use stream::{Event, EventData, EventKind, EventsPage, TaskEventsPage};
pub use task::{
    BatchRequest, BatchResponse, BatchResult, InterruptResponse, MessageReceipt, MessageRequest,
    ProgressBody, ResultBody, TaskChange, TaskList, TaskResponse, TaskStatusResponse, WaitingBody,
    WaitingReason,
};
pub use ticket::{TicketRequest, TicketResponse};

//! The REST, SSE and WebSocket endpoints. One endpoint, one file.

mod access;
mod answer;
mod caller;
mod endpoints;
mod guard;
mod measured;
mod openapi;
mod path;
mod query;
mod rate_limit;
mod refusal;
mod request_id;
mod router;
mod state;
mod stream;
mod submission;
mod ticket;

pub use guard::HostPolicy;
pub use rate_limit::{Loopback, RateLimit};
pub use router::{metrics_router, openapi_json, router};
pub use state::{AppState, TaskDefaults};
pub use submission::WorkspaceRoots;
pub use ticket::Tickets;

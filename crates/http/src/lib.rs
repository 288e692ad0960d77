//! The REST and WebSocket endpoints. One endpoint, one file.

mod endpoints;
mod guard;
mod path;
mod refusal;
mod request_id;
mod router;
mod state;
mod submission;

pub use guard::{ApiKey, HostPolicy};
pub use router::router;
pub use state::{AppState, TaskDefaults};
pub use submission::WorkspaceRoots;

//! The REST, SSE and WebSocket endpoints. One endpoint, one file.

mod access;
mod answer;
mod caller;
mod cors;
mod dressing;
mod endpoints;
mod forwarded;
mod guard;
mod guesses;
mod measured;
mod openapi;
mod path;
mod policy;
mod query;
mod rate_limit;
mod reached;
mod refusal;
mod request_id;
mod revocations;
mod router;
mod state;
mod stream;
mod submission;
mod ticket;

pub use cors::CorsOrigins;
pub use guard::HostPolicy;
pub use guesses::Guesses;
pub use policy::{CallerPolicy, OPTIONAL};
pub use rate_limit::{Loopback, RateLimit};
pub use reached::{Link, LocalAddress, TrustedProxies};
pub use revocations::share_revocations;
pub use router::{metrics_router, openapi_json, router};
pub use state::{AppState, TaskDefaults};
pub use submission::{BodyBudget, WorkspaceRoots, are_tool_rules, is_model_name};
pub use ticket::Tickets;

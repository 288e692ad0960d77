//! What the endpoints work with.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::Authenticator;
use domain::{Clock, InstanceLabel, PermissionMode, Policy};
use engine::Handle;
use telemetry::{Metrics, Traces};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cors::CorsOrigins;
use crate::guard::HostPolicy;
use crate::guesses::Guesses;
use crate::policy::CallerPolicy;
use crate::rate_limit::RateLimit;
use crate::reached::TrustedProxies;
use crate::submission::{BodyBudget, WorkspaceRoots};
use crate::ticket::Tickets;

/// A storage that does not answer within that time is slow: a commit takes a few milliseconds.
pub(crate) const SLOW_STORAGE: Duration = Duration::from_secs(1);

/// What holds for a task whose request leaves it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefaults {
    /// Tools that run without asking.
    pub allowed_tools: Vec<String>,
    /// What happens with the rest.
    pub permission_mode: PermissionMode,
    /// Most model answers.
    pub max_turns: u32,
    /// Longest time.
    pub timeout: Duration,
    /// The model.
    pub model: Option<String>,
    /// What to do when something goes wrong.
    pub policy: Policy,
}

/// What the endpoints share.
pub struct AppState {
    /// The engine.
    pub engine: Handle,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What requests may leave out.
    pub defaults: TaskDefaults,
    /// What requests may ask for.
    pub policy: CallerPolicy,
    /// Where workspaces may lie.
    pub roots: WorkspaceRoots,
    /// What the server's operator says of it, for tasks to choose by.
    pub labels: BTreeSet<InstanceLabel>,
    /// Tells who callers are; `None` lets everybody in.
    pub auth: Option<Authenticator>,
    /// What browsers show in place of the key.
    pub tickets: Tickets,
    /// How much memory the bodies of requests may take.
    pub bodies: BodyBudget,
    /// How many requests a caller may make.
    pub rate_limit: RateLimit,
    /// Who has shown wrong keys too often.
    pub guesses: Guesses,
    /// Which names the server answers to.
    pub hosts: HostPolicy,
    /// Whose pages may call, beside its own.
    pub cors: CorsOrigins,
    /// Who is believed about other clients.
    pub proxies: TrustedProxies,
    /// Base of `websocket_url`, instead of what the client called: `ws://host` or `wss://host`.
    pub public_websocket_base: Option<String>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// Where requests are traced.
    pub traces: Traces,
    /// The server's version.
    pub version: &'static str,
    /// The agents' CLI: without it, no task can run.
    pub agent_program: PathBuf,
    /// The version of the agents' CLI.
    pub agent_version: String,
    /// Where the server keeps what it writes; how much room its disk has is measured.
    pub data_folder: PathBuf,
    /// What is wrong with how the storage is set up, for health.
    pub storage_warnings: Vec<String>,
    /// When the server started.
    pub started: Instant,
    /// Cancelled when streams have to end, after the engine's last event.
    pub closing: CancellationToken,
    /// Open streams.
    pub streams: TaskTracker,
}

impl AppState {
    /// Whether the agents' CLI is there. It may have been removed, or replaced, since the start.
    pub(crate) fn has_agent(&self) -> bool {
        // A look at one file is no more than a request's own work.
        self.agent_program.is_file()
    }
}

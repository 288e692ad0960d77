//! What a server can do.

use domain::{PermissionMode, Principal};
use serde::Serialize;
use utoipa::ToSchema;

/// Answer to `GET /api/v1/capabilities`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Capabilities {
    /// The server's version.
    pub version: &'static str,
    /// The version of the agent's CLI.
    pub agent_version: String,
    /// Who asks.
    pub caller: CallerInfo,
    /// What tasks may ask for.
    pub policy: PolicyInfo,
    /// What holds for tasks that leave it out.
    pub defaults: DefaultsInfo,
    /// What requests may be.
    pub limits: LimitsInfo,
    /// The types of events that there are.
    pub event_types: Vec<&'static str>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallerInfo {
    /// Whose tasks and sessions the caller works with.
    pub principal: Principal,
    /// What the caller may do.
    pub scopes: Vec<&'static str>,
    /// Whether a key or token was needed.
    pub is_authenticated: bool,
}

/// What tasks may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PolicyInfo {
    /// The permission modes.
    pub permission_modes: Vec<PermissionMode>,
    /// The tools and rules for `options.allowed_tools`; null for any.
    pub allowed_tools: Option<Vec<String>>,
    /// The models; null for any.
    pub models: Option<Vec<String>>,
    /// Most model answers; null for any number.
    pub max_turns: Option<u32>,
    /// Longest timeout, in seconds; null for any.
    pub max_timeout: Option<u64>,
    /// Highest budget, in US dollars; null for any.
    pub max_budget_usd: Option<f64>,
    /// The options that may be given, of those that can be refused.
    pub options: Vec<&'static str>,
}

/// What holds for tasks that leave it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DefaultsInfo {
    /// Tools that run without asking.
    pub allowed_tools: Vec<String>,
    /// What happens with the rest.
    pub permission_mode: PermissionMode,
    /// Most model answers.
    pub max_turns: u32,
    /// Longest time, in seconds.
    pub timeout: u64,
    /// The model; null for the agent's own choice.
    pub model: Option<String>,
}

/// What requests may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitsInfo {
    /// Largest body, in bytes.
    pub max_body_bytes: u64,
    /// Most tasks of a batch.
    pub max_batch: u64,
    /// Most labels of a task.
    pub max_labels: u64,
    /// Longest wait for a result, in seconds.
    pub max_wait_seconds: u64,
}

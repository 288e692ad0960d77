//! What callers may ask for.

use std::time::Duration;

use domain::PermissionMode;
use http_api::{CallerPolicy, OPTIONAL};

use super::variables::{self, Reader};

/// Reads the bounds. A mode that is the default is allowed: the operator has chosen it.
pub(super) fn read_policy(read: &mut Reader<'_>) -> CallerPolicy {
    // One that is none is told of where the defaults are read.
    let default_mode = read.text("CLAUDE_DEFAULT_PERMISSION_MODE").and_then(|mode| mode.parse().ok());
    let default_mode = default_mode.unwrap_or(PermissionMode::AcceptEdits);
    let usual = CallerPolicy::default();
    let mut permission_modes = read.value("POLICY_PERMISSION_MODES", usual.permission_modes, |text| {
        variables::list(text)?.iter().map(|mode| mode.parse().ok()).collect()
    });
    if !permission_modes.contains(&default_mode) {
        permission_modes.push(default_mode);
    }
    CallerPolicy {
        permission_modes,
        tools: read.optional("POLICY_ALLOWED_TOOLS", variables::list),
        models: read.optional("POLICY_MODELS", variables::list),
        max_turns: read.optional_count("POLICY_MAX_TURNS"),
        max_timeout: read.optional_count("POLICY_MAX_TIMEOUT_SECONDS").map(Duration::from_secs),
        max_budget_usd: read.optional("POLICY_MAX_BUDGET_USD", |text| {
            text.parse::<f64>().ok().filter(|most| most.is_finite() && *most > 0.0)
        }),
        options: read.value("POLICY_OPTIONS", usual.options, |text| {
            let known = |name: &String| OPTIONAL.into_iter().find(|known| known == name);
            variables::list(text)?.iter().map(known).collect()
        }),
    }
}

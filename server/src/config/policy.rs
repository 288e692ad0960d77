//! What callers may ask for.

use std::time::Duration;

use domain::PermissionMode;
use http_api::{CallerPolicy, OPTIONAL};

use super::variables::{self, Reader};

const YEAR: u64 = 365 * 24 * 3600;

/// Reads the bounds. A mode that is the default is allowed: the operator has chosen it.
pub(super) fn read_policy(read: &mut Reader<'_>, default_mode: PermissionMode) -> CallerPolicy {
    let usual = CallerPolicy::default();
    let modes = "a list of default, acceptEdits, plan, dontAsk, auto, bypassPermissions";
    let mut permission_modes = read.value("POLICY_PERMISSION_MODES", usual.permission_modes, modes, |text| {
        variables::list(text)?.iter().map(|mode| mode.parse().ok()).collect()
    });
    if !permission_modes.contains(&default_mode) {
        permission_modes.push(default_mode);
    }
    let options = format!("a list of {}", OPTIONAL.join(", "));
    CallerPolicy {
        permission_modes,
        tools: read.optional("POLICY_ALLOWED_TOOLS", "a list of tools and rules", variables::list),
        models: read.optional("POLICY_MODELS", "a list of models", variables::list),
        max_turns: optional_count(read, "POLICY_MAX_TURNS", 100_000),
        max_timeout: optional_count(read, "POLICY_MAX_TIMEOUT_SECONDS", YEAR).map(Duration::from_secs),
        max_budget_usd: read.optional("POLICY_MAX_BUDGET_USD", "a number above 0", |text| {
            text.parse::<f64>().ok().filter(|most| most.is_finite() && *most > 0.0)
        }),
        options: read.value("POLICY_OPTIONS", usual.options, &options, |text| {
            let known = |name: &String| OPTIONAL.into_iter().find(|known| known == name);
            variables::list(text)?.iter().map(known).collect()
        }),
    }
}

fn optional_count<T: TryFrom<u64>>(read: &mut Reader<'_>, name: &str, most: u64) -> Option<T> {
    read.optional(name, &format!("a whole number from 1 to {most}"), |text| {
        let number = text.parse::<u64>().ok().filter(|number| (1..=most).contains(number))?;
        T::try_from(number).ok()
    })
}

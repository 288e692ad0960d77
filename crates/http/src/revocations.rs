//! Keys that were revoked at one of several servers count at none.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::state::AppState;

/// How long a revoked key may go on counting at other servers.
const SHARED_EACH: Duration = Duration::from_secs(1);

/// Tells the servers that share the storage of keys that are revoked here, and hears of theirs. Never returns, unless there is nobody to
/// tell or nothing to hear of.
pub async fn share_revocations(state: Arc<AppState>) {
    let Some(auth) = state.auth.as_ref().filter(|_| state.engine.is_shared()) else { return };
    let mut known = HashSet::new();
    let mut ticks = interval(SHARED_EACH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut new = auth.keys.revoked();
        new.retain(|id| !known.contains(id));
        match state.engine.share_revoked(&new).await {
            Ok(all) => {
                known = all.into_iter().collect();
                auth.keys.set_revoked_elsewhere(known.iter().cloned());
            }
            Err(error) => tracing::debug!(%error, "revoked keys could not be shared"),
        }
    }
}

//! Servers that share their storage count a caller's requests together.

use std::num::NonZeroU32;

use super::{Caller, Left, too_many};
use crate::refusal::Refusal;
use crate::state::AppState;

/// Counts a request that this server alone would let in. While the storage is away, each server counts for itself.
pub(crate) async fn check(
    state: &AppState,
    caller: &Caller,
    left: Option<Left>,
) -> Result<Option<Left>, (Left, Refusal)> {
    let Some(here) = left else { return Ok(None) };
    let Some(limit) = NonZeroU32::new(here.limit) else { return Ok(left) };
    match state.engine.count_request(&caller.name(), limit).await {
        Ok(None) => Ok(left),
        Ok(Some(counted)) => {
            let all = Left { requests: counted.left, reset: counted.reset, ..here };
            counted.wait.map_or(Ok(Some(all)), |wait| Err(too_many(all, wait)))
        }
        Err(error) => {
            tracing::debug!(%error, "a request was counted by this server alone");
            Ok(left)
        }
    }
}

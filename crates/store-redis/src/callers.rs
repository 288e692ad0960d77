//! What all servers have to know of their callers.

use std::num::NonZeroU32;
use std::time::Duration;

use store::{Counted, StoreError};

use crate::reply::Items;
use crate::store::Shared;

/// Counts a request by the clock of Redis.
pub(crate) async fn count(
    shared: &Shared,
    caller: &str,
    per_minute: NonZeroU32,
) -> Result<Counted, StoreError> {
    let mut call = shared.link.call(&shared.scripts.count_request);
    call.arg(caller).arg(per_minute.get());
    let mut counted = Items::of(shared.link.ask(&call).await?)?;
    let left = counted.number()?;
    let reset = Duration::from_millis(counted.number()?);
    let wait = Duration::from_millis(counted.number()?);
    Ok(Counted { left, reset, wait: (!wait.is_zero()).then_some(wait) })
}

/// Adds keys to those that were revoked; gives all of them.
pub(crate) async fn share_revoked(shared: &Shared, keys: &[String]) -> Result<Vec<String>, StoreError> {
    let mut call = shared.link.call(&shared.scripts.share_revoked);
    for key in keys {
        call.arg(key);
    }
    Items::of(shared.link.ask(&call).await?)?.each(Items::text)
}

//! Removes the events of dropped tasks, a few at a time, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use crate::store::Shared;

/// How long to wait when Redis does not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// Sweeps until it is aborted: first what an earlier server has left, then whatever is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        match shared.link.ask(&shared.link.call(&shared.scripts.sweep)).await {
            Ok(Value::Int(left)) if left > 0 => tokio::task::yield_now().await,
            Ok(_) => shared.dropped.notified().await,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

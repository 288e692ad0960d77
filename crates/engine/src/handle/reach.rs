//! Whether the storage takes what it is given.

use std::sync::Arc;
use std::time::Duration;

use store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Handle;

/// What was found out holds for all who ask within that time: anybody may ask for the server's health, and each probe is written.
const HOLDS_FOR: Duration = Duration::from_secs(2);

/// What the last probe has found.
#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<Option<(Instant, Result<(), StoreError>)>>);

impl Reach {
    /// One probe at a time: who comes meanwhile is told what it finds. One that was given up has found nothing.
    async fn find_out(&self, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let mut found = self.0.lock().await;
        if let Some((at, result)) = &*found
            && at.elapsed() < HOLDS_FOR
        {
            return result.clone();
        }
        let result = store.probe().await;
        *found = Some((Instant::now(), result.clone()));
        result
    }
}

impl Handle {
    /// Lets the storage write something, by the way that commands take; or tells what came of it within the last seconds.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn reach_storage(&self) -> Result<(), StoreError> {
        self.reach.find_out(&self.deps.store).await
    }
}

#[cfg(test)]
mod tests {
    use store::MemoryStore;
    use store::conformance::FailurePoint;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_probe_has_found_holds_for_a_moment() {
        let memory = Arc::new(MemoryStore::default());
        let (store, reach): (Arc<dyn Store>, _) = (memory.clone(), Reach::default());
        for point in [FailurePoint::BeforeCommit, FailurePoint::AfterCommit] {
            memory.fail_next_commit(point);
            let found = reach.find_out(&store).await;
            assert!(found.is_err());
            assert_eq!(reach.find_out(&store).await, found);
            advance(HOLDS_FOR).await;
            assert_eq!(reach.find_out(&store).await, Ok(()));
            memory.fail_next_commit(point);
            assert_eq!(reach.find_out(&store).await, Ok(()));
            advance(HOLDS_FOR).await;
            assert!(reach.find_out(&store).await.is_err());
            advance(HOLDS_FOR).await;
        }
    }
}

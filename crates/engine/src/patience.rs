//! A storage that cannot be read for a moment cuts no stream: it may be another machine, which starts again.

use std::time::Duration;

use store::StoreError;
use tokio::time::{Instant, sleep};

const READ_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Then the reader is told, and may come back with its cursor.
const AT_MOST: Duration = Duration::from_secs(30);

/// What is read, as soon as the storage answers.
///
/// # Errors
/// When it has not for too long.
pub(crate) async fn patiently<T, R>(mut read: impl FnMut() -> R) -> Result<T, StoreError>
where
    R: Future<Output = Result<T, StoreError>>,
{
    let mut patience = Patience::default();
    loop {
        match read().await {
            Err(error) if patience.waits(&error).await => {}
            result => return result,
        }
    }
}

/// How long a reader waits for what it wants to read.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    since: Option<Instant>,
}

impl Patience {
    /// Waits before another try; false when there have been enough.
    pub(crate) async fn waits(&mut self, error: &StoreError) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > AT_MOST {
            return false;
        }
        tracing::debug!(%error, "a reader waits for the storage");
        sleep(READ_AGAIN_AFTER).await;
        true
    }
}

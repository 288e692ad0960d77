//! Looks at paths that others name. On a file system that hangs, a look keeps its thread for ever. There are only so many of these threads,
//! so that those for everything else (storage, signals to processes) are never used up.

use std::io;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A quarter of the threads that the runtime has for what may block.
static PLACES: Semaphore = Semaphore::const_new(128);
/// A file system that takes longer hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Has `look` run on a thread that may block, for a few seconds at the most.
///
/// # Errors
/// What `look` says; [`io::ErrorKind::TimedOut`] when it did not answer in time, or as many others do not.
pub async fn look<T: Send + 'static>(look: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    look_within(ANSWER_WITHIN, look).await
}

async fn look_within<T: Send + 'static>(
    within: Duration,
    look: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let answer = async {
        let place = PLACES.acquire().await.map_err(io::Error::other)?;
        let looked = spawn_blocking(move || {
            let found = look();
            drop(place);
            found
        });
        looked.await?
    };
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "its file system does not answer");
    timeout(within, answer).await.unwrap_or_else(|_| Err(silent()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_look_that_hangs_is_given_up_and_holds_up_no_other() {
        let (release, hangs) = mpsc::channel::<()>();
        let hanging = look_within(Duration::from_millis(10), move || Ok(hangs.recv().is_err())).await;
        let error = hanging.expect_err("it hangs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "its file system does not answer");
        assert_eq!(look(|| Ok(1)).await.expect("it answers"), 1);
        assert!(PLACES.available_permits() < 128, "its thread is still there");
        drop(release);
    }
}

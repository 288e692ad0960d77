//! Looks at paths that others name. On a file system that hangs, a look keeps its thread for ever. There are only so many of these threads,
//! so that those for everything else (storage, signals to processes) are never used up.

use std::io;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A file system that takes longer hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The threads that may look at the same time for one purpose.
#[derive(Debug)]
pub struct Looks(Semaphore);

impl Looks {
    /// So many. The runtime has 512 threads for what may block.
    pub const fn at_once(most: usize) -> Self {
        Self(Semaphore::const_new(most))
    }

    /// Has `look` run on a thread that may block, for a few seconds at the most.
    ///
    /// # Errors
    /// What `look` says; [`io::ErrorKind::TimedOut`] when it did not answer in time, or as many others do not.
    pub async fn look<T: Send + 'static>(
        &'static self,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.look_within(ANSWER_WITHIN, look).await
    }

    async fn look_within<T: Send + 'static>(
        &'static self,
        within: Duration,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let answer = async {
            let place = self.0.acquire().await.map_err(io::Error::other)?;
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
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_look_that_hangs_is_given_up_and_keeps_its_place() {
        static LOOKS: Looks = Looks::at_once(2);
        let (release, hangs) = mpsc::channel::<()>();
        let hanging = LOOKS.look_within(Duration::from_millis(10), move || Ok(hangs.recv().is_err())).await;
        let error = hanging.expect_err("it hangs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "its file system does not answer");
        assert_eq!(LOOKS.look(|| Ok(1)).await.expect("it answers"), 1);
        assert_eq!(LOOKS.0.available_permits(), 1);
        drop(release);
    }
}

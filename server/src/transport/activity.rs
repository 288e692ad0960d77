//! Whether a connection is of use: one on which nothing is asked is closed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::timeout;

/// How many requests of a connection are under way.
#[derive(Debug, Clone)]
pub(super) struct Activity(watch::Sender<usize>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// A request begins; it ends when what is given here is dropped.
    pub(super) fn begin(&self) -> AtWork {
        self.0.send_modify(|requests| *requests += 1);
        AtWork(self.clone())
    }

    /// Ends once no request was under way for that long: `first` before there was any, `later` after one.
    /// Gives whether there ever was one. It takes notice from the call on, even if it is awaited later.
    pub(super) fn idle(&self, first: Duration, later: Duration) -> impl Future<Output = bool> + use<> {
        let mut requests = self.0.subscribe();
        let mut was_used = *requests.borrow_and_update() > 0;
        async move {
            loop {
                let patience = if was_used { later } else { first };
                let changed = if *requests.borrow() == 0 {
                    timeout(patience, requests.changed()).await
                } else {
                    Ok(requests.changed().await)
                };
                if changed.is_err() {
                    return was_used;
                }
                was_used = true;
            }
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct AtWork(Activity);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.send_modify(|requests| *requests = requests.saturating_sub(1));
    }
}

/// An answer's body: the request is under way until all of it is sent.
pub(super) struct Answer {
    pub(super) body: Body,
    pub(super) _at_work: AtWork,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const LATER: Duration = Duration::from_secs(75);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_request_on() {
        let start = tokio::time::Instant::now();
        let activity = Activity::new();
        assert!(!activity.idle(FIRST, LATER).await);
        assert_eq!(start.elapsed(), FIRST);
        let quick = activity.idle(FIRST, LATER);
        drop(activity.begin());
        assert!(quick.await, "a request that was over at once was one");
        assert_eq!(start.elapsed(), FIRST + LATER);
        let start = tokio::time::Instant::now();
        let idle = tokio::spawn(activity.idle(FIRST, LATER));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (one, other) = (activity.begin(), activity.begin());
        tokio::time::sleep(Duration::from_secs(1000)).await;
        drop(one);
        tokio::time::sleep(Duration::from_secs(1000)).await;
        drop(other);
        assert!(idle.await.expect("ended"));
        assert_eq!(start.elapsed(), Duration::from_secs(2001) + LATER);
    }
}

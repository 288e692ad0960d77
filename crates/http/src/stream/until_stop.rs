//! A source until the server stops. What was committed by then is still sent, such as the end of a task that was
//! interrupted because of it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Batch, Failed, Source};

/// Who is further behind than this goes on by its cursor at the next start; streams are cut soon after (`STREAMS_WITHIN`
/// of the server).
const CATCH_UP_WITHIN: Duration = Duration::from_secs(1);

/// Where a reader has to come, and until when, once the server stops.
#[derive(Debug, Clone, Copy)]
struct Stop {
    end: u64,
    at: Instant,
}

pub(crate) struct UntilStop<S> {
    source: S,
    closing: CancellationToken,
    stop: Option<Stop>,
}

impl<S: Source> UntilStop<S> {
    /// That source, until `closing` is cancelled.
    pub(crate) fn new(source: S, closing: CancellationToken) -> Self {
        Self { source, closing, stop: None }
    }

    /// Where the reader begins, as its source says.
    pub(crate) fn begins_at(&self) -> Option<u64> {
        self.source.begins_at()
    }

    /// Waits for the next events; `None` when the server stops. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Result<Batch, Failed>> {
        if let Some(batch) = self.until_told().await {
            return Some(batch);
        }
        let stop = *self
            .stop
            .get_or_insert_with(|| Stop { end: self.source.end(), at: Instant::now() + CATCH_UP_WITHIN });
        if self.source.cursor() >= stop.end || Instant::now() >= stop.at {
            return None;
        }
        tokio::select! {
            biased;
            batch = self.source.next() => Some(batch),
            () = sleep_until(stop.at) => None,
        }
    }

    /// The next events, unless the server is told to stop first.
    async fn until_told(&mut self) -> Option<Result<Batch, Failed>> {
        tokio::select! {
            biased;
            // It may have to be fetched from elsewhere while the server is told, although it was committed before.
            () = self.closing.cancelled() => None,
            batch = self.source.next() => Some(batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::task::yield_now;

    use super::*;
    use crate::stream::Entry;

    /// Gives one event after the other, each of which has to be fetched first.
    struct Fetched {
        cursor: u64,
        end: u64,
        /// Events that are committed whenever one is read.
        grows_by: u64,
    }

    impl Source for Fetched {
        const RESTART: &'static str = "";

        fn begins_at(&self) -> Option<u64> {
            None
        }

        fn cursor(&self) -> u64 {
            self.cursor
        }

        fn end(&self) -> u64 {
            self.end
        }

        async fn next(&mut self) -> Result<Batch, Failed> {
            if self.cursor == self.end {
                std::future::pending::<()>().await;
            }
            yield_now().await;
            self.cursor += 1;
            self.end += self.grows_by;
            let entries = vec![Entry { cursor: self.cursor, json: Bytes::from_static(b"{}") }];
            Ok(Batch { entries, cursor: self.cursor, last: false })
        }

        fn text(entry: Entry) -> Bytes {
            entry.json
        }
    }

    async fn read(mut stream: UntilStop<Fetched>) -> Vec<u64> {
        let mut cursors = Vec::new();
        while let Some(batch) = stream.next().await {
            cursors.push(batch.expect("read").cursor);
        }
        cursors
    }

    fn stopped(source: Fetched) -> UntilStop<Fetched> {
        let closing = CancellationToken::new();
        closing.cancel();
        UntilStop::new(source, closing)
    }

    #[tokio::test]
    async fn what_was_committed_before_the_stop_is_sent_though_it_has_to_be_fetched() {
        assert_eq!(read(stopped(Fetched { cursor: 3, end: 6, grows_by: 0 })).await, [4, 5, 6]);
        assert_eq!(read(stopped(Fetched { cursor: 6, end: 6, grows_by: 0 })).await, [0; 0]);
    }

    #[tokio::test]
    async fn what_others_commit_meanwhile_holds_up_no_stop() {
        assert_eq!(read(stopped(Fetched { cursor: 3, end: 5, grows_by: 2 })).await, [4, 5]);
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_for_what_does_not_come() {
        let closing = CancellationToken::new();
        let waiting = read(UntilStop::new(Fetched { cursor: 1, end: 1, grows_by: 0 }, closing.clone()));
        let told = async {
            yield_now().await;
            closing.cancel();
        };
        assert_eq!(tokio::join!(waiting, told).0, [0; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_far_behind_is_left_to_the_next_start() {
        let mut far = stopped(Fetched { cursor: 0, end: u64::MAX, grows_by: 0 });
        let began = Instant::now();
        while far.next().await.is_some() {
            // As long as a client takes to read it.
            tokio::time::advance(CATCH_UP_WITHIN / 4).await;
        }
        assert_eq!(began.elapsed(), CATCH_UP_WITHIN);
    }
}

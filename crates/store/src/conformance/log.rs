//! Events: without holes, as the bytes that were written, in pages.

use super::*;
use crate::{CommitError, LogPage};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    the_log_has_no_hole_and_a_stale_writer_is_fenced(&*new().await.store()).await;
    readers_get_pages_in_order(&*new().await.store()).await;
    a_reader_that_follows_gets_each_event_once(new().await.store()).await;
    readers_that_come_do_not_disturb_one_that_replays(&*new().await.store()).await;
    large_events_come_whole(&*new().await.store()).await;
}

async fn the_log_has_no_hole_and_a_stale_writer_is_fenced(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    store.append(append(&claimed, 1..=2)).await.expect("written");
    let hole = store.append(append(&claimed, 4..=4)).await;
    assert_eq!(hole, Err(CommitError::Sequence { tail: 2, first: 4 }));
    let double = store.append(append(&claimed, 2..=3)).await;
    assert_eq!(double, Err(CommitError::Sequence { tail: 2, first: 2 }));
    let stale = Claimed { token: LeaseToken(claimed.token.0 + 1), ..claimed.clone() };
    assert_eq!(store.append(append(&stale, 3..=3)).await, Err(CommitError::Fenced));
    store.append(append(&claimed, 3..=3)).await.expect("written");
    assert_eq!(read_all(store, "t").await, (encoded(1..=3), false));
    let task = store.task(&id("t")).await.expect("available").expect("there");
    assert_eq!((task.tail, task.cost_usd, task.progress.turns), (3, 0.25, 1));
}

async fn readers_get_pages_in_order(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    store.append(append(&claimed, 1..=700)).await.expect("written");
    store.append(append(&claimed, 701..=2_000)).await.expect("written");
    finish(store, &claimed, 2_001).await;
    assert_eq!(read_all(store, "t").await, (encoded(1..=2_001), true));
    let page = |after| async move { store.read(&id("t"), after).await.expect("available").expect("there") };
    assert_eq!(page(1_999).await, LogPage { events: encoded(2_000..=2_001), complete: true });
    for beyond in [2_001, 5_000, u64::MAX] {
        assert_eq!(page(beyond).await, LogPage { events: vec![], complete: true }, "after {beyond}");
    }
    assert_eq!(store.read(&id("other"), 0).await, Ok(None));
    assert!(store.watch(&id("other")).await.expect("available").is_none());
}

async fn a_reader_that_follows_gets_each_event_once<S: Store>(store: Arc<S>) {
    let claimed = submit_and_claim(&*store, "t").await;
    let reader = Arc::clone(&store);
    let mut signal = store.watch(&id("t")).await.expect("available").expect("there");
    let reader = tokio::spawn(async move {
        let mut read: Vec<EncodedEvent> = Vec::new();
        loop {
            signal.borrow_and_update();
            let cursor = read.last().map_or(0, |event| event.seq);
            let page = reader.read(&id("t"), cursor).await.expect("available").expect("there");
            let idle = page.events.is_empty();
            read.extend(page.events);
            if page.complete {
                return read;
            }
            if idle {
                signal.changed().await.expect("an open task signals");
            }
        }
    });
    for seq in 1..=300 {
        store.append(append(&claimed, seq..=seq)).await.expect("written");
        tokio::task::yield_now().await;
    }
    finish(&*store, &claimed, 301).await;
    assert_eq!(reader.await.expect("no panic"), encoded(1..=301));
}

async fn readers_that_come_do_not_disturb_one_that_replays(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    let mut signal = store.watch(&id("t")).await.expect("available").expect("there");
    store.append(append(&claimed, 1..=2_000)).await.expect("written");
    finish(store, &claimed, 2_001).await;
    signal.wait_for(|signal| signal.ended).await.expect("told");
    let (task, mut read) = (id("t"), Vec::<EncodedEvent>::new());
    loop {
        let cursor = read.last().map_or(0, |event| event.seq);
        // Another one begins to attach, then a page is read, then the attaching goes on.
        let (other, page) = tokio::join!(biased; store.watch(&task), store.read(&task, cursor));
        assert_eq!(other.expect("available").expect("there").borrow().tail, 2_001);
        let page = page.expect("available").expect("there");
        assert!(!page.events.is_empty(), "after {cursor}");
        read.extend(page.events);
        if page.complete {
            return assert_eq!(read, encoded(1..=2_001));
        }
    }
}

async fn large_events_come_whole(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    let mut builder = BatchBuilder::new(1);
    for size in [10, 3_000_000, 10, 1_200_000] {
        builder.push(|bytes| bytes.put_bytes(b'x', size));
    }
    let batch = builder.take();
    let expected: Vec<_> = batch.after(0).collect();
    store.append(Append { events: batch, ..append(&claimed, 1..=1) }).await.expect("written");
    let (read, complete) = read_all(store, "t").await;
    assert!(read == expected && !complete);
}

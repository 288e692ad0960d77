//! One stream of all tasks.

use domain::TaskStatus;

use super::*;
use crate::{FeedEntry, FeedFilter};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    the_feed_holds_every_event_in_the_order_of_the_commits(&*new().await.store()).await;
    the_feed_can_be_filtered(&*new().await.store()).await;
}

/// Everything after a cursor; the notices are left out.
async fn read(store: &dyn Store, after: u64, filter: &FeedFilter) -> (Vec<FeedEntry>, u64) {
    let (mut entries, mut cursor) = (Vec::new(), after);
    loop {
        let page = store.read_feed(cursor, filter).await.expect("available");
        if page.cursor == cursor {
            return (entries, cursor);
        }
        entries.extend(page.entries.into_iter().filter(|entry| entry.json.starts_with(b"{\"seq")));
        cursor = page.cursor;
    }
}

fn texts(entries: &[FeedEntry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.json).into_owned()).collect()
}

async fn the_feed_holds_every_event_in_the_order_of_the_commits(store: &dyn Store) {
    let a = submit_and_claim(store, "a").await;
    let b = submit_and_claim(store, "b").await;
    let mut signal = store.watch_feed();
    store.append(append(&a, 1..=600)).await.expect("written");
    store.append(append(&b, 1..=2)).await.expect("written");
    finish(store, &a, 601).await;
    let all = FeedFilter::default();
    let (entries, cursor) = read(store, 0, &all).await;
    let expected: Vec<_> = (1..=600).chain([1, 2, 601]).map(text).collect();
    assert_eq!(texts(&entries), expected);
    assert!(entries.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(*signal.borrow_and_update(), cursor);
    let middle = entries[299].position;
    assert_eq!(texts(&read(store, middle, &all).await.0), expected[300..]);
    assert_eq!(read(store, cursor, &all).await, (vec![], cursor));
    finish(store, &b, 3).await;
    assert_eq!(texts(&read(store, cursor, &all).await.0), [text(3)]);
}

async fn the_feed_can_be_filtered(store: &dyn Store) {
    let a = submit_and_claim(store, "a").await;
    let principal = Principal::parse("somebody").expect("valid");
    let theirs = TaskSpec { principal: principal.clone(), workspace: "/x".into(), ..spec("b") };
    store.submit(submit(theirs)).await.expect("admitted");
    let b = claim(store, NOW).await;
    store.append(append(&a, 1..=1)).await.expect("written");
    store.append(append(&b, 1..=2)).await.expect("written");
    finish(store, &b, 3).await;
    let of_b = vec![text(1), text(2), text(3)];
    let filters = [
        (FeedFilter { principal: Some(principal), ..FeedFilter::default() }, of_b.clone()),
        (FeedFilter { task: Some(id("b")), ..FeedFilter::default() }, of_b.clone()),
        (FeedFilter { session: Some(session("session-b")), ..FeedFilter::default() }, of_b.clone()),
        (FeedFilter { workspace: Some("/x".into()), ..FeedFilter::default() }, of_b),
        (FeedFilter { statuses: vec![TaskStatus::Completed], ..FeedFilter::default() }, vec![text(3)]),
        (FeedFilter { task: Some(id("nobody")), ..FeedFilter::default() }, vec![]),
    ];
    let (_, end) = read(store, 0, &FeedFilter::default()).await;
    for (filter, expected) in filters {
        let (entries, cursor) = read(store, 0, &filter).await;
        assert_eq!((texts(&entries), cursor), (expected, end), "{filter:?}");
    }
}

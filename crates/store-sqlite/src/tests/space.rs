//! Room on disk.

use store::conformance::{NOW, finish, id, submit_and_claim};
use store::{Retention, Store};

use super::*;

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn the_room_of_what_was_dropped_is_used_again() {
    let place = Place::new();
    let mut sizes = Vec::new();
    for round in 0..4 {
        let store = place.open();
        let claimed = submit_and_claim(&store, &format!("t{round}")).await;
        for seq in (1..=200).step_by(10) {
            store.append(append_sized(&claimed, seq..=seq + 9, 5_000)).await.expect("written");
        }
        finish(&store, &claimed, 201).await;
        store.close();
        sizes.push(size(&place.database()));
        let store = place.open();
        let nothing = Retention { max_tasks: 0, ..Retention::ALL };
        assert_eq!(store.drop_beyond(&nothing, NOW, None, 10).await.expect("available").tasks, 1);
    }
    assert!(sizes[0] > 1_000_000 && sizes[3] < sizes[0] + 100_000, "{sizes:?}");
}

#[tokio::test]
async fn a_page_of_a_large_batch_holds_no_more_than_its_events() {
    const EVENT: usize = 100_000;
    let place = Place::new();
    let store = place.open();
    let claimed = submit_and_claim(&store, "t").await;
    store.append(append_sized(&claimed, 1..=40, EVENT)).await.expect("written");
    finish(&store, &claimed, 41).await;
    let mut read = 0;
    while read < 40 {
        let mut page = store.read(&id("t"), read).await.expect("available").expect("there");
        assert!(page.events.iter().zip(read + 1..).all(|(event, seq)| event.seq == seq));
        read = page.events.last().expect("more").seq;
        // The piece of memory that they share, from the first on.
        let first = page.events.swap_remove(0).json;
        drop(page);
        let held = first.try_into_mut().expect("nobody else holds it").capacity();
        assert!(held < 3 * EVENT, "{held} bytes");
    }
    assert!(is_whole(&log(&store, "t").await[..40], 40));
}

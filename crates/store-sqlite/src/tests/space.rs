//! Room on disk.

use store::conformance::{NOW, finish, submit_and_claim};
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

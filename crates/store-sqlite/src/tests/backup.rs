//! Copies of a database in use, and their way back.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use store::conformance::{finish, submit_and_claim};

use super::*;
use crate::{BackupError, BackupReport, Overwrite, backup, restore};

fn put_back(copy: &Path, to: &Path, overwrite: Overwrite) -> Result<BackupReport, BackupError> {
    restore(copy, to, overwrite, || {
        assert!(matches!(open(to), Err(OpenError::InUse { .. })), "no server can use it meanwhile");
        Ok::<_, BackupError>(())
    })
    .map(|(report, ())| report)
}

/// Commits all the time until it is told to stop; `done` is the number of the last task that has ended.
async fn keep_committing(store: Arc<SqliteStore>, done: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let claimed = submit_and_claim(&*store, &format!("t{number}")).await;
        store.append(append_sized(&claimed, 1..=50, 500)).await.expect("written");
        finish(&*store, &claimed, 51).await;
        done.store(number, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_database_in_use_holds_what_was_answered_before() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = tokio::spawn(keep_committing(Arc::clone(&store), Arc::clone(&done), Arc::clone(&stop)));
    let mut least = Vec::new();
    for copy in 1..=5 {
        while done.load(Ordering::Relaxed) < copy * 20 {
            tokio::task::yield_now().await;
        }
        least.push(done.load(Ordering::Relaxed));
        let (from, to) = (place.database(), place.path(&format!("copy-{copy}.db")));
        let report = tokio::task::spawn_blocking(move || backup(&from, &to)).await.expect("no panic");
        assert!(report.expect("copied").tasks >= copy * 20);
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.expect("no panic");
    for (copy, least) in (1..).zip(least) {
        check_copy(&place, copy, least).await;
    }
}

async fn check_copy(place: &Place, copy: u64, least: u64) {
    let (from, to) = (place.path(&format!("copy-{copy}.db")), place.path(&format!("restored-{copy}.db")));
    assert_eq!(std::fs::metadata(&from).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!place.path(&format!("copy-{copy}.db-wal")).exists(), "it is one file");
    let report = put_back(&from, &to, Overwrite::Refuse).expect("restored");
    assert_eq!(report.bytes, std::fs::metadata(&to).expect("there").len());
    let store = open(&to).expect("opens");
    for number in 1..=report.tasks {
        let task = task(&store, &format!("t{number}")).await.expect("there");
        assert!(number > least || task.tail == 51, "t{number} had ended before the copy began");
        assert!(is_sized(&log(&store, &format!("t{number}")).await, task.tail), "t{number}");
    }
    end_leftovers(&store).await;
}

/// Like `is_whole`; the last event is the suite's.
fn is_sized(log: &[EncodedEvent], tail: u64) -> bool {
    is_whole(log, tail) && log.iter().take(50).all(|read| read.json == event(read.seq, 500))
}

#[tokio::test]
async fn an_existing_file_is_not_overwritten_unless_asked() {
    let place = Place::new();
    let store = place.open();
    submit_and_claim(&store, "old").await;
    let copy = place.path("copy.db");
    let report = backup(&place.database(), &copy).expect("copied");
    assert_eq!(report, BackupReport { bytes: std::fs::metadata(&copy).expect("there").len(), tasks: 1 });
    assert!(matches!(backup(&place.database(), &copy), Err(BackupError::Exists { path }) if path == copy));
    submit_and_claim(&store, "new").await;

    let in_use = put_back(&copy, &place.database(), Overwrite::Replace);
    assert!(matches!(in_use, Err(BackupError::Database(OpenError::InUse { .. }))), "{in_use:?}");
    drop(store);
    let there = put_back(&copy, &place.database(), Overwrite::Refuse);
    assert!(matches!(&there, Err(BackupError::Exists { path }) if *path == place.database()), "{there:?}");
    // As a killed server leaves it: a log that must not be taken for the copy's.
    std::fs::write(place.path("store.db-wal"), "not of the copy").expect("written");
    assert_eq!(put_back(&copy, &place.database(), Overwrite::Replace).expect("restored"), report);
    let store = place.open();
    assert!(task(&store, "old").await.is_some() && task(&store, "new").await.is_none());
}

#[tokio::test]
async fn a_database_that_nobody_uses_is_copied_too_and_left_as_it_was() {
    let place = Place::new();
    submit_and_claim(&place.open(), "t").await;
    let before = std::fs::read(place.database()).expect("there");
    assert_eq!(backup(&place.database(), &place.path("copy.db")).expect("copied").tasks, 1);
    assert!(std::fs::read(place.database()).expect("there") == before);
    let missing = backup(&place.path("nothing.db"), &place.path("other.db"));
    assert!(matches!(missing, Err(BackupError::Missing { .. })), "{missing:?}");
    assert!(!place.path("other.db").exists() && !place.path("nothing.db").exists());
}

#[tokio::test]
async fn what_is_damaged_is_neither_copied_nor_restored() {
    let place = Place::new();
    submit_and_claim(&place.open(), "t").await;
    let mut content = std::fs::read(place.database()).expect("there");
    let pages = content.len() / 8192;
    content[(pages - 2) * 8192..].fill(0xa5);
    std::fs::write(place.database(), &content).expect("written");
    let copied = backup(&place.database(), &place.path("copy.db"));
    assert!(matches!(copied, Err(BackupError::Database(OpenError::Corrupt { .. }))), "{copied:?}");
    let restored = put_back(&place.database(), &place.path("restored.db"), Overwrite::Refuse);
    assert!(matches!(restored, Err(BackupError::Database(OpenError::Corrupt { .. }))), "{restored:?}");
    let mut left: Vec<_> = std::fs::read_dir(place.folder.path())
        .expect("there")
        .map(|entry| entry.expect("there").file_name())
        .collect();
    left.retain(|name| !name.to_string_lossy().starts_with("store.db"));
    assert_eq!(left, ["restored.db.lock"], "nothing half done is left");
}

use tempfile::TempDir;

use super::*;
use crate::Sync;
use crate::connection::{open_reader, open_writer, set_up_writer};

const LIMITS: Limits = Limits {
    copy_every: 20,
    long: 200,
    too_long: 800,
    patience: Duration::ZERO,
    more_patience: Duration::from_millis(1),
};
/// Pages that one commit adds, at most.
const COMMIT: i32 = 20;

struct Setting {
    folder: TempDir,
    writer: Connection,
    care: WalCare,
    copier: Copier,
}

impl Setting {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("test.db");
        std::fs::write(&path, "").expect("written");
        let set_up = || {
            let connection = open_writer(&path).expect("opens");
            set_up_writer(&connection, Sync::Normal).expect("set up");
            connection
        };
        let (mut writer, copying) = (set_up(), set_up());
        writer.execute_batch("CREATE TABLE things (thing BLOB)").expect("made");
        let (care, copier) = care(&mut writer, copying, LIMITS).expect("set up");
        Self { folder, writer, care, copier }
    }

    /// Commits so often; gives the most pages that the log had.
    fn commit(&mut self, times: usize, copier_works: bool) -> i32 {
        let mut most = 0;
        for _ in 0..times {
            self.writer.execute("INSERT INTO things VALUES (zeroblob(100000))", []).expect("written");
            most = most.max(self.care.pages.load(Ordering::Relaxed));
            self.care.after_commit(&self.writer);
            if copier_works && self.copier.wanted.try_recv().is_ok() {
                self.copier.copy();
            }
        }
        most
    }

    fn hold(&self) -> Connection {
        let reader = open_reader(&self.folder.path().join("test.db")).expect("opens");
        reader.execute_batch("BEGIN; SELECT count(*) FROM things").expect("reads");
        reader
    }
}

#[test]
fn a_log_that_is_copied_is_begun_anew_when_it_is_long() {
    let most = Setting::new().commit(200, true);
    assert!(most <= LIMITS.long + COMMIT, "{most}");
}

#[test]
fn a_copier_that_does_not_keep_up_holds_writers_up_rather_than_fill_the_disk() {
    let mut setting = Setting::new();
    let most = setting.commit(200, false);
    assert!(most > LIMITS.long + COMMIT && most <= LIMITS.too_long + COMMIT, "{most}");
}

#[test]
fn a_log_that_a_reader_holds_is_begun_anew_once_it_is_let_go() {
    let mut setting = Setting::new();
    setting.commit(1, true);
    let reader = setting.hold();
    let held = setting.commit(100, true);
    assert!(held > LIMITS.too_long, "{held}");
    drop(reader);
    // It is tried again after so many more pages at the latest.
    let last = setting.commit(2 * 200 / 13, true);
    assert!(last <= held + LIMITS.long + COMMIT, "{last} after {held}");
    let after = setting.commit(100, true);
    assert!(after <= LIMITS.long + COMMIT, "{after}");
}

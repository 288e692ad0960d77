mod backup;
mod conformance;
mod crash;
mod groups;
mod here;
mod opening;
mod space;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

use bytes::BufMut;
use store::conformance::{NOW, append};
use store::{Append, BatchBuilder, Claimed, Core, CoreSettings, EncodedEvent, Store, TaskRecord};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::tables::SqliteTables;
use crate::{OpenError, SqliteOptions, SqliteStore, Sync};

/// A folder with a database in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("store.db")
    }

    fn open(&self) -> SqliteStore {
        open(&self.database()).expect("opens")
    }
}

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(SqliteOptions {
        path: path.to_owned(),
        sync: Sync::Normal,
        settings: CoreSettings::default(),
    })
}

/// Holds the writer up until the sender is used or dropped: what is asked for meanwhile becomes one group. The writer's thread
/// has it in hand when this returns: before, it might take the first commands along and leave the others to a later group.
async fn hold(store: &SqliteStore) -> Sender<()> {
    let (release, released) = channel();
    let (begun, has_begun) = oneshot::channel();
    let question = move |_: &Core<SqliteTables>| {
        begun.send(()).unwrap_or_default();
        released.recv().unwrap_or_default();
    };
    store.inbox.ask(Box::new(question)).expect("open");
    has_begun.await.expect("the thread has it");
    release
}

/// An event of that many bytes.
fn event(seq: u64, size: usize) -> Vec<u8> {
    format!("{{\"seq\":{seq},\"text\":\"{}\"}}", "x".repeat(size)).into_bytes()
}

/// The command that adds events of that size.
fn append_sized(claimed: &Claimed, seqs: std::ops::RangeInclusive<u64>, size: usize) -> Append {
    let mut events = BatchBuilder::new(*seqs.start());
    for seq in seqs.clone() {
        events.push(|bytes| bytes.put_slice(&event(seq, size)));
    }
    Append { events: events.take(), ..append(claimed, 1..=1) }
}

async fn task(store: &SqliteStore, id: &str) -> Option<TaskRecord> {
    store.task(&store::conformance::id(id)).await.expect("available")
}

/// A task's whole log.
async fn log(store: &SqliteStore, id: &str) -> Vec<EncodedEvent> {
    let id = store::conformance::id(id);
    let mut read: Vec<EncodedEvent> = Vec::new();
    loop {
        let after = read.last().map_or(0, |event| event.seq);
        let page = store.read(&id, after).await.expect("available").expect("there");
        if page.events.is_empty() {
            return read;
        }
        read.extend(page.events);
    }
}

/// Whether a log goes from 1 to `tail` without a hole, and every event says its own number.
fn is_whole(log: &[EncodedEvent], tail: u64) -> bool {
    let right = |(seq, event): (u64, &EncodedEvent)| {
        event.seq == seq && event.json.starts_with(format!("{{\"seq\":{seq}").as_bytes())
    };
    log.len() as u64 == tail && (1..).zip(log).all(right)
}

/// What ends everything that an earlier opening left running.
async fn end_leftovers(store: &SqliteStore) {
    for claimed in store.take_over(NOW).await.expect("available") {
        store::conformance::finish(store, &claimed, claimed.task.tail + 1).await;
    }
}

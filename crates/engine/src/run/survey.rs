//! Which files of a git workspace have changed since an attempt began, whatever changed them: what commands do, no tool tells.
//! Git itself is not run. A repository that an agent can write has a configuration that names programs (`core.fsmonitor`,
//! filters), and the server would run them.

mod rules;
mod walk;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use walk::look;

/// Most files that are kept in mind. Of a larger workspace nothing is known.
const MOST_FILES: usize = 100_000;
/// How long the work may be held up before it begins.
const LOOK_WITHIN: Duration = Duration::from_secs(1);
/// A file system that hangs is not waited for.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);
/// So many are looked at at once: one whose file system hangs keeps its thread.
static LOOKS: Semaphore = Semaphore::const_new(8);
/// What a file system's clock may be behind.
const CLOCKS_DIFFER: Duration = Duration::from_millis(50);

/// Stands for a file by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId(u64);

impl FileId {
    /// The same for the same path.
    pub(super) fn of(path: &Path) -> Self {
        Self(digest(path))
    }
}

fn digest(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What can be told of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Of its size, mode and time of modification.
    content: u64,
    /// When anything about it changed last, in nanoseconds since 1970.
    changed_at: i128,
}

/// What a look at a workspace has found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Look {
    /// The files that git does not ignore.
    files: HashMap<FileId, Stamp>,
    /// Of all rules by which files are ignored.
    rules: u64,
}

impl Look {
    /// The files that differ in a later look. With other rules, files appear that were there before, and vanish that still are: then only
    /// those have come that changed since `taken_at`, and none has gone.
    fn differences(self, mut later: Self, taken_at: i128) -> Vec<FileId> {
        let same_rules = later.rules == self.rules;
        let mut changed = Vec::new();
        for (file, before) in self.files {
            let is_changed = match later.files.remove(&file) {
                Some(now) => now.content != before.content,
                None => same_rules,
            };
            changed.extend(is_changed.then_some(file));
        }
        let has_come = |stamp: &Stamp| same_rules || stamp.changed_at >= taken_at;
        changed.extend(later.files.into_iter().filter(|(_, stamp)| has_come(stamp)).map(|(file, _)| file));
        changed
    }
}

/// How a workspace was before the work.
#[derive(Debug)]
pub(super) struct Survey {
    folder: Box<Path>,
    before: Look,
    taken_at: i128,
}

impl Survey {
    /// Looks at a workspace, links resolved. `None` when it is in no git repository, too large, or does not answer in time.
    pub(super) async fn of(folder: &Path) -> Option<Self> {
        let taken_at = nanoseconds(SystemTime::now() - CLOCKS_DIFFER);
        let folder: Box<Path> = folder.into();
        let before = look_at(folder.clone(), LOOK_WITHIN).await?;
        Some(Self { folder, before, taken_at })
    }

    /// The files that have come, gone or changed since. None when that cannot be told in time.
    pub(super) async fn changes(self, within: Duration) -> Vec<FileId> {
        let now = look_at(self.folder, within).await;
        now.map_or_else(Vec::new, |now| self.before.differences(now, self.taken_at))
    }
}

fn nanoseconds(time: SystemTime) -> i128 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

async fn look_at(folder: Box<Path>, within: Duration) -> Option<Look> {
    let until = Instant::now() + within;
    let answer = async {
        let turn = LOOKS.acquire().await.ok()?;
        let looked = spawn_blocking(move || {
            let looked = look(&folder, until, MOST_FILES);
            drop(turn);
            looked
        });
        looked.await.ok()?
    };
    timeout(within + ANSWER_WITHIN, answer).await.ok()?
}

#[cfg(test)]
mod tests;

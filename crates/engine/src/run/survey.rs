//! Which files of a git workspace have changed since an attempt began, whatever changed them: what commands do, no tool tells.
//! Git itself is not run. A repository that an agent can write has a configuration that names programs (`core.fsmonitor`,
//! filters), and the server would run them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use ignore::{DirEntry, WalkBuilder};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Most files that are kept in mind. Of a larger workspace nothing is known.
const MOST_FILES: usize = 200_000;
/// How long the work may be held up before it begins.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// A file system that hangs is not waited for.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);
/// The clock is looked at once in so many files.
const STRIDE: usize = 256;

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

/// What can be told of a file's content without reading it.
type Stamp = u64;

/// How the files of a workspace were that git does not ignore.
#[derive(Debug)]
pub(super) struct Survey {
    folder: Box<Path>,
    files: HashMap<FileId, Stamp>,
}

impl Survey {
    /// Looks at a workspace, links resolved. `None` when it is in no git repository, too large, or does not answer in time.
    pub(super) async fn of(folder: &Path) -> Option<Self> {
        // The look itself is worth a thread, this is not.
        if !is_in_repository(folder) {
            return None;
        }
        let folder: Box<Path> = folder.into();
        let files = look_at(folder.clone(), LOOK_WITHIN).await?;
        Some(Self { folder, files })
    }

    /// The files that have come, gone or changed since. None when that cannot be told in time.
    pub(super) async fn changes(self, within: Duration) -> Vec<FileId> {
        let Some(mut now) = look_at(self.folder, within).await else { return Vec::new() };
        let mut changed = Vec::new();
        for (file, stamp) in self.files {
            if now.remove(&file) != Some(stamp) {
                changed.push(file);
            }
        }
        changed.extend(now.into_keys());
        changed
    }
}

fn is_in_repository(folder: &Path) -> bool {
    folder.ancestors().any(|folder| folder.join(".git").exists())
}

async fn look_at(folder: Box<Path>, within: Duration) -> Option<HashMap<FileId, Stamp>> {
    let until = Instant::now() + within;
    let looked = spawn_blocking(move || look(&folder, until, MOST_FILES));
    timeout(within + ANSWER_WITHIN, looked).await.ok()?.ok()?
}

/// `None` when there are more files, or more than can be looked at until then.
fn look(folder: &Path, until: Instant, most: usize) -> Option<HashMap<FileId, Stamp>> {
    let mut files = HashMap::new();
    let mut walk = WalkBuilder::new(folder);
    // What git ignores by the repository itself; the server's own settings of git are not the agent's.
    walk.hidden(false).ignore(false).git_global(false).filter_entry(belongs);
    for (number, entry) in walk.build().enumerate() {
        if files.len() > most || (number.is_multiple_of(STRIDE) && Instant::now() > until) {
            return None;
        }
        // What vanishes meanwhile or may not be read is not there.
        let Ok(entry) = entry else { continue };
        if let Some(stamp) = stamp(&entry) {
            files.insert(FileId::of(entry.path()), stamp);
        }
    }
    (files.len() <= most).then_some(files)
}

/// Not git's own files, nor those of another repository inside.
fn belongs(entry: &DirEntry) -> bool {
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    entry.depth() == 0 || entry.file_name() != ".git" && !(is_folder && entry.path().join(".git").exists())
}

fn stamp(entry: &DirEntry) -> Option<Stamp> {
    let data = entry.metadata().ok().filter(|data| !data.is_dir())?;
    Some(digest((data.size(), data.mtime(), data.mtime_nsec(), data.mode())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    use tempfile::TempDir;

    use super::*;

    const ENOUGH: Duration = Duration::from_secs(60);

    /// A workspace with these files in it.
    fn workspace(files: &[&str]) -> TempDir {
        let place = TempDir::new().expect("a folder");
        for file in files {
            write(place.path(), file, "before");
        }
        place
    }

    fn write(folder: &Path, file: &str, content: &str) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    fn sorted(mut files: Vec<FileId>) -> Vec<FileId> {
        files.sort_unstable();
        files
    }

    #[tokio::test]
    async fn what_has_come_gone_or_changed_is_told_unless_git_ignores_it() {
        let repository = workspace(&[
            ".git/config",
            "a/edited",
            "a/longer",
            "a/runs",
            "removed",
            ".hidden",
            "same",
            "target/built",
            "inner/.git/config",
            "inner/file",
        ]);
        let folder = repository.path();
        write(folder, ".gitignore", "target/\n*.log\n");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let edited = fs::File::options().write(true).open(folder.join("a/edited")).expect("a file");
        edited.set_modified(long_ago).expect("set");
        let survey = Survey::of(folder).await.expect("a repository");
        write(folder, "a/edited", "BEFORE");
        write(folder, "a/longer", "before and after");
        fs::set_permissions(folder.join("a/runs"), fs::Permissions::from_mode(0o755)).expect("set");
        fs::remove_file(folder.join("removed")).expect("removed");
        write(folder, ".hidden", "before and after");
        for file in
            ["new", "target/built", "target/more", "run.log", ".git/index", "inner/file", "inner/more"]
        {
            write(folder, file, "new");
        }
        std::os::unix::fs::symlink("same", folder.join("link")).expect("a link");
        let expected = ["a/edited", "a/longer", "a/runs", "removed", ".hidden", "new", "link"];
        let expected = expected.map(|file| FileId::of(&folder.join(file))).to_vec();
        assert_eq!(sorted(survey.changes(ENOUGH).await), sorted(expected));
    }

    #[tokio::test]
    async fn a_folder_of_a_repository_is_looked_at_by_the_rules_of_all_of_it() {
        let repository = workspace(&[".git/config", "folder/file", "beside"]);
        write(repository.path(), ".gitignore", "*.log\n");
        let folder = repository.path().join("folder");
        let survey = Survey::of(&folder).await.expect("a repository");
        write(repository.path(), "beside", "before and after");
        write(&folder, "x.log", "ignored");
        write(&folder, "file", "before and after");
        assert_eq!(survey.changes(ENOUGH).await, [FileId::of(&folder.join("file"))]);
    }

    #[tokio::test]
    async fn nothing_is_told_without_a_repository_or_time_or_of_too_many_files() {
        assert!(Survey::of(workspace(&["file"]).path()).await.is_none());
        let repository = workspace(&[".git/config", "one", "two", "three"]);
        let survey = Survey::of(repository.path()).await.expect("a repository");
        write(repository.path(), "four", "new");
        let now = Instant::now();
        assert_eq!(look(repository.path(), now, 4), None, "the time is over");
        assert_eq!(look(repository.path(), now + ENOUGH, 2), None, "too many");
        assert_eq!(look(repository.path(), now + ENOUGH, 4).map(|files| files.len()), Some(4));
        fs::remove_dir_all(repository.path()).expect("removed");
        assert_eq!(survey.changes(ENOUGH).await.len(), 3, "all of it is gone");
    }
}

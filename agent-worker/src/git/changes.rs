//! What differs in a working tree from a commit.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use super::call::{Git, GitError};

/// Git takes a file for binary when its beginning holds a NUL.
const BINARY_LOOK_BYTES: u64 = 8_000;
/// What git notes for a folder that is a repository of its own.
const SUBMODULE: &str = "160000";

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// Where it is below the top of the working tree.
    pub(crate) path: String,
    /// Lines that are new; 0 for a binary file.
    pub(crate) added: u64,
    /// Lines that are gone; 0 for a binary file.
    pub(crate) removed: u64,
    /// Whether the commit does not have it and git does not track it yet.
    pub(crate) is_untracked: bool,
}

/// All files that differ, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes(pub(crate) Vec<Change>);

impl Changes {
    pub(crate) fn added(&self) -> u64 {
        self.0.iter().map(|change| change.added).sum()
    }

    pub(crate) fn removed(&self) -> u64 {
        self.0.iter().map(|change| change.removed).sum()
    }
}

/// Compares the working tree with a commit: what git tracks by `git diff`, other files that it does not ignore by what is in
/// them. Nothing is written, so the index stays as it is.
pub(super) async fn read(git: &Git, base: &str) -> Result<Changes, GitError> {
    let numbers = ["diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", base, "--"];
    let tracked = git.must(&numbers).await?;
    let mut changes: Vec<_> = tracked.stdout.split(|byte| *byte == 0).filter_map(tracked_change).collect();
    let others = git.must(&["ls-files", "--others", "--exclude-standard", "-z"]).await?;
    let paths = others.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    changes.extend(paths.map(|path| untracked_change(git.folder(), path)));
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Changes(changes))
}

/// See [`super::own_repositories`].
pub(super) async fn own_repositories(git: &Git, base: &str) -> Result<Vec<String>, GitError> {
    let raw = [
        "diff",
        "--raw",
        "-z",
        "--no-renames",
        "--no-ext-diff",
        "--ignore-submodules=none",
        "--abbrev=40",
        base,
        "--",
    ];
    let tracked = git.must(&raw).await?;
    let words: Vec<_> = tracked.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    // ":OLD-MODE NEW-MODE OLD NEW STATUS" and the path take turns. A submodule's mode is 160000.
    let changed = words.chunks_exact(2).filter(|pair| pair[0].split(' ').nth(1) == Some(SUBMODULE));
    let mut found = Vec::new();
    for path in changed.map(|pair| pair[1].as_ref()) {
        if !is_elsewhere(&Git::new(&git.folder().join(path))).await? {
            found.push(path.to_owned());
        }
    }
    let others = git.must(&["ls-files", "--others", "--exclude-standard", "-z"]).await?;
    // Only a repository is named as a folder: of any other, the files are.
    let folders = others.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    found.extend(folders.filter_map(|path| path.strip_suffix('/').map(str::to_owned)));
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether a submodule holds nothing but a commit that its remote has, too: to note that one loses nothing.
async fn is_elsewhere(submodule: &Git) -> Result<bool, GitError> {
    let status = submodule.run(&["status", "--porcelain", "--ignore-submodules=none"]).await?;
    let remote = ["for-each-ref", "--count=1", "--contains=HEAD", "refs/remotes"];
    let kept = submodule.run(&remote).await?;
    Ok(status.is_success() && status.stdout.is_empty() && kept.is_success() && !kept.stdout.is_empty())
}

/// `added TAB removed TAB path`, with `-` for the lines of a binary file.
fn tracked_change(entry: &[u8]) -> Option<Change> {
    let mut fields = entry.splitn(3, |byte| *byte == b'\t').map(String::from_utf8_lossy);
    let mut number = || Some(fields.next()?.parse().unwrap_or(0));
    let (added, removed) = (number()?, number()?);
    Some(Change { path: fields.next()?.into_owned(), added, removed, is_untracked: false })
}

fn untracked_change(top: &Path, path: &[u8]) -> Change {
    let file = top.join(std::ffi::OsStr::from_bytes(path));
    // A file that is gone again, or a folder that is a repository of its own, has no lines.
    let added = lines_of(&file).unwrap_or(0);
    let path = String::from_utf8_lossy(path).into_owned();
    Change { path, added, removed: 0, is_untracked: true }
}

/// The lines that a new file adds, as git counts them.
fn lines_of(file: &Path) -> std::io::Result<u64> {
    let kind = file.symlink_metadata()?.file_type();
    if kind.is_symlink() {
        return Ok(1);
    }
    if !kind.is_file() {
        return Ok(0);
    }
    let mut reader = BufReader::new(std::fs::File::open(file)?);
    let mut beginning = Vec::new();
    reader.by_ref().take(BINARY_LOOK_BYTES).read_to_end(&mut beginning)?;
    if beginning.contains(&0) {
        return Ok(0);
    }
    count_lines(BufReader::new(beginning.chain(reader)))
}

fn count_lines(mut reader: impl BufRead) -> std::io::Result<u64> {
    let (mut lines, mut last) = (0, b'\n');
    loop {
        let bytes = reader.fill_buf()?;
        let Some(end) = bytes.last() else { break };
        last = *end;
        lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = bytes.len();
        reader.consume(length);
    }
    Ok(lines + u64::from(last != b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_git_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).expect("written");
            lines_of(&file).expect("read")
        };
        assert_eq!(lines("empty", b""), 0);
        assert_eq!(lines("two", b"a\nb\n"), 2);
        assert_eq!(lines("torn", b"a\nb"), 2);
        assert_eq!(lines("binary", b"a\n\0\n"), 0);
        assert_eq!(lines("long", &b"x\n".repeat(10_000)), 10_000);
        std::os::unix::fs::symlink("two", folder.path().join("link")).expect("made");
        assert_eq!(lines_of(&folder.path().join("link")).expect("read"), 1);
        assert_eq!(lines_of(folder.path()).expect("read"), 0);
    }

    #[test]
    fn numbers_are_read_whatever_a_path_holds() {
        let change =
            |path: &str, added, removed| Change { path: path.into(), added, removed, is_untracked: false };
        assert_eq!(tracked_change(b"3\t1\ta\tb\nc.txt"), Some(change("a\tb\nc.txt", 3, 1)));
        assert_eq!(tracked_change(b"-\t-\tpicture.png"), Some(change("picture.png", 0, 0)));
        assert_eq!(tracked_change(b""), None);
    }
}

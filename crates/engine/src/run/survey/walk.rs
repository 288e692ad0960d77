//! The way through a workspace.

use std::collections::HashMap;
use std::fs::{DirEntry, Metadata, read_dir};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use super::rules::{Reader, Rules, Unusable};
use super::{FileId, Look, Stamp, digest};

/// Most folders that may be left to look at.
const MOST_FOLDERS: usize = 16_384;

/// The files of a folder, if that is in a git repository. `None` when there are more of them, or more than can be looked at until then.
pub(super) fn look(folder: &Path, until: Instant, most: usize) -> Option<Look> {
    let top = repository(folder)?;
    let mut walk = Walk { files: HashMap::new(), left: Vec::new(), reader: Reader::new(until), most };
    walk.go(top, folder).ok()?;
    Some(Look { files: walk.files, rules: walk.reader.seen })
}

/// The top of the repository that a folder is in. Follows no links: where they lead may hang.
fn repository(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| is_top(folder))
}

fn is_top(folder: &Path) -> bool {
    folder.join(".git").symlink_metadata().is_ok()
}

struct Walk {
    files: HashMap<FileId, Stamp>,
    /// Folders with the rules above them.
    left: Vec<(PathBuf, Option<Rc<Rules>>)>,
    reader: Reader,
    most: usize,
}

impl Walk {
    fn go(&mut self, top: &Path, folder: &Path) -> Result<(), Unusable> {
        let rules = self.rules_above(top, folder)?;
        self.left.push((folder.to_owned(), rules));
        while let Some((folder, outer)) = self.left.pop() {
            self.folder(&folder, outer)?;
        }
        Ok(())
    }

    /// The rules of the folders that lead to one, from the top of its repository on.
    fn rules_above(&mut self, top: &Path, folder: &Path) -> Result<Option<Rc<Rules>>, Unusable> {
        let above: Vec<_> = folder.ancestors().skip(1).take_while(|above| above.starts_with(top)).collect();
        let mut rules = None;
        for folder in above.into_iter().rev() {
            rules = Some(self.reader.rules(folder, rules)?);
        }
        Ok(rules)
    }

    fn folder(&mut self, folder: &Path, outer: Option<Rc<Rules>>) -> Result<(), Unusable> {
        let rules = self.reader.rules(folder, outer)?;
        // What vanishes meanwhile or may not be read is not there.
        let Ok(entries) = read_dir(folder) else { return Ok(()) };
        for entry in entries.flatten() {
            self.entry(&entry, &rules)?;
            if self.files.len() > self.most || self.left.len() > MOST_FOLDERS {
                return Err(Unusable);
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &DirEntry, rules: &Rc<Rules>) -> Result<(), Unusable> {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { return Ok(()) };
        if entry.file_name() == ".git" || self.reader.ignores(rules, &path, kind.is_dir())? {
            return Ok(());
        }
        if kind.is_dir() {
            // Another repository's files are not this one's.
            if !is_top(&path) {
                self.left.push((path, Some(Rc::clone(rules))));
            }
        } else if let Ok(data) = entry.metadata() {
            self.files.insert(FileId::of(&path), stamp(&data));
        }
        Ok(())
    }
}

fn stamp(data: &Metadata) -> Stamp {
    let content = digest((data.size(), data.mtime(), data.mtime_nsec(), data.mode()));
    let changed_at = i128::from(data.ctime()) * 1_000_000_000 + i128::from(data.ctime_nsec());
    Stamp { content, changed_at }
}

//! One child's group.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::KILL;

const MEMBERS: &str = "cgroup.procs";
/// Groups in groups that are followed; the kernel sets no limit by default.
const DEPTH: usize = 32;

/// The group of one child, with all groups that the child made in it.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
}

impl Group {
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    pub(super) fn existing(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.path.join(file), value)
    }

    /// Who writes `0` to this joins the group.
    pub(crate) fn door(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join(MEMBERS))
    }

    /// The pids in the group, zombies among them.
    ///
    /// # Errors
    /// When the group cannot be read, unless because it is gone.
    pub(crate) fn members(&self) -> io::Result<HashSet<u32>> {
        let mut members = HashSet::new();
        for path in self.paths() {
            match fs::read_to_string(path.join(MEMBERS)) {
                Ok(text) => members.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
                Err(error) if is_gone(&error) || is_threaded(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(members)
    }

    /// Kills all in the group at once; nothing can fork out of it.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match fs::write(self.path.join(KILL), "1") {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes the group away. It must hold no living process.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for path in self.paths().iter().rev() {
            match fs::remove_dir(path) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The group's directory and those in it, parents before children.
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.path.clone()];
        let mut level = vec![self.path.clone()];
        for _ in 0..DEPTH {
            level = level.iter().flat_map(|path| directories(path)).collect();
            paths.extend(level.iter().cloned());
        }
        paths
    }
}

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// A group of threads does not name its processes; the group above it does.
fn is_threaded(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EOPNOTSUPP)
}

/// Not there any more, or being taken away.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

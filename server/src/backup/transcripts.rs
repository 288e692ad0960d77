//! Copies conversations: `agents/<principal>/config/projects` below a data folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Copies all conversations from one data folder to another; gives how many.
///
/// # Errors
/// When a folder cannot be read or written. Files that vanish meanwhile are left out.
pub(super) fn copy_transcripts(from: &Path, to: &Path) -> anyhow::Result<usize> {
    let mut copied = 0;
    for principal in entries(&from.join("agents"))? {
        let Some(name) = principal.file_name() else { continue };
        let projects = Path::new("agents").join(name).join("config").join("projects");
        copied += copy_folder(&from.join(&projects), &to.join(&projects))?;
    }
    Ok(copied)
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<usize> {
    let mut copied = 0;
    for entry in entries(from)? {
        let Some(name) = entry.file_name() else { continue };
        let target = to.join(name);
        // A link is copied as nothing: what it leads to is not the conversation's.
        let kind = entry.symlink_metadata().map(|metadata| metadata.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => copied += copy_folder(&entry, &target)?,
            Ok(kind) if kind.is_file() => {
                super::make_folder(to)?;
                copied += usize::from(copy_file(&entry, &target)?);
            }
            _ => {}
        }
    }
    Ok(copied)
}

/// Gives whether it is a conversation.
fn copy_file(from: &Path, to: &Path) -> anyhow::Result<bool> {
    match fs::copy(from, to) {
        Ok(_) => Ok(from.extension().is_some_and(|extension| extension == "jsonl")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} cannot be copied", from.display())),
    }
}

/// What is in a folder; nothing when there is no such folder.
fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", folder.display())),
    };
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

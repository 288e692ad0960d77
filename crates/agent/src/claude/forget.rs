//! Deletes what the CLI keeps of a conversation (protocol section 12.1).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::ConversationId;

use super::environment::AgentFolders;

/// Deletes the transcript, what belongs to it, and the outputs of its background tasks. Blocks.
pub(super) fn forget(folders: &AgentFolders, conversation: ConversationId) {
    let id = conversation.to_string();
    let config = folders.config();
    let mut doomed = vec![config.join("file-history").join(&id), config.join("session-env").join(&id)];
    for project in inside(&config.join("projects")) {
        doomed.extend([project.join(format!("{id}.jsonl")), project.join(&id)]);
    }
    // There it is a folder a user and a folder a project.
    for project in inside(folders.temporary()).iter().flat_map(|user| inside(user)) {
        doomed.push(project.join(&id));
    }
    for path in doomed {
        match remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "what belongs to a conversation cannot be deleted");
            }
            _ => {}
        }
    }
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

//! Deletes what the CLI keeps of a conversation (protocol section 12.1).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use domain::ConversationId;

use super::environment::AgentFolders;

/// Deletes the transcript, what belongs to it, and the outputs of its background tasks. Blocks.
pub(super) fn forget(folders: &AgentFolders, conversation: ConversationId) {
    for (path, error) in delete(folders, conversation) {
        tracing::warn!(path = %path.display(), %error, "what belongs to a conversation cannot be deleted");
    }
}

/// Gives what could not be deleted.
fn delete(folders: &AgentFolders, conversation: ConversationId) -> Vec<(PathBuf, io::Error)> {
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
    let failure = |path: PathBuf| remove(&path).err().map(|error| (path, error));
    // The CLI has sockets where folders of projects are, too.
    let is_there =
        |error: &io::Error| !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    doomed.into_iter().filter_map(failure).filter(|(_, error)| is_there(error)).collect()
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use domain::Principal;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_conversation_is_deleted_and_nothing_else_and_a_socket_of_the_cli_is_no_failure() {
        let agents = tempfile::tempdir().expect("a folder");
        let folders = AgentFolders::of(&Principal::default(), agents.path());
        let (one, other) = (ConversationId(Uuid::from_u128(1)), ConversationId(Uuid::from_u128(2)));
        let project = folders.config().join("projects").join("-project");
        let outputs = folders.temporary().join("claude-0").join("-project");
        for folder in [&project, &outputs.join(one.to_string()), &outputs.join(other.to_string())] {
            fs::create_dir_all(folder).expect("made");
        }
        let transcripts = [one, other].map(|id| project.join(format!("{id}.jsonl")));
        transcripts.iter().for_each(|transcript| fs::write(transcript, "").expect("written"));
        let sockets = folders.temporary().join("cc-socks");
        fs::create_dir(&sockets).expect("made");
        let _socket = UnixListener::bind(sockets.join("1.sock")).expect("a socket");
        let failures = delete(&folders, one);
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(inside(&project), [project.join(format!("{other}.jsonl"))]);
        assert_eq!(inside(&outputs), [outputs.join(other.to_string())]);
        assert_eq!(inside(&sockets).len(), 1);
    }
}

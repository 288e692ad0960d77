//! Where the CLI keeps a conversation (protocol section 12.1): `projects/<key>/<id>.jsonl` below its config folder. It
//! makes the file when it takes the first prompt.

use std::path::{Path, PathBuf};

use domain::ConversationId;

/// Names one conversation's file, whichever folder it is in.
#[derive(Debug, Clone)]
pub(super) struct Transcript {
    projects: PathBuf,
    file: String,
}

impl Transcript {
    pub(super) fn new(config: &Path, conversation: ConversationId) -> Self {
        Self { projects: config.join("projects"), file: format!("{conversation}.jsonl") }
    }

    /// Whether it is there. The CLI itself looks in all folders too.
    pub(super) async fn exists(&self) -> bool {
        let Ok(mut folders) = tokio::fs::read_dir(&self.projects).await else { return false };
        while let Ok(Some(folder)) = folders.next_entry().await {
            if tokio::fs::try_exists(folder.path().join(&self.file)).await.unwrap_or(false) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transcript_is_found_in_whichever_folder_it_is() {
        let config = tempfile::tempdir().expect("a folder");
        let id = ConversationId::generate();
        let transcript = Transcript::new(config.path(), id);
        assert!(!transcript.exists().await);
        for folder in ["projects/-w-a", "projects/-w-b"] {
            std::fs::create_dir_all(config.path().join(folder)).expect("made");
        }
        assert!(!transcript.exists().await);
        std::fs::write(config.path().join(format!("projects/-w-b/{id}.jsonl")), "").expect("written");
        assert!(transcript.exists().await);
    }
}

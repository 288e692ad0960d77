//! Where the CLI keeps a conversation (protocol section 12.1): `projects/<key>/<id>.jsonl` below its config folder, one
//! JSON object a line. It makes the file when it takes the first prompt.

mod leaf;
mod said;

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::ConversationId;
use memchr::memmem;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// Files are read in pieces of this size.
const PIECE: u64 = 64 * 1024;

/// Names one conversation's file, whichever folder it is in.
#[derive(Debug, Clone)]
pub(super) struct Transcript {
    config: PathBuf,
    conversation: ConversationId,
}

/// Longer names of a project's folder are cut by the CLI, and end with a hash.
const LONGEST_KEY: usize = 200;

/// The id of the newest conversation that was begun in a folder; `None` when there is none.
///
/// # Errors
/// When the folder's path is so long that its conversations cannot be found.
pub(super) async fn newest(config: &Path, working_directory: &Path) -> Result<Option<Uuid>, TranscriptError> {
    let key: String = working_directory.to_string_lossy().chars().map(in_key).collect();
    if key.len() > LONGEST_KEY {
        let reason = "the folder's path is too long to find its newest conversation: resume it by its id";
        return Err(io::Error::other(reason).into());
    }
    let Ok(mut files) = tokio::fs::read_dir(config.join("projects").join(key)).await else { return Ok(None) };
    let mut newest = None;
    while let Some(file) = files.next_entry().await? {
        let path = file.path();
        let id = path.file_stem().and_then(|stem| stem.to_str()?.parse::<Uuid>().ok());
        if let Some(id) = id.filter(|_| path.extension().is_some_and(|extension| extension == "jsonl")) {
            newest = newest.max(Some((file.metadata().await?.modified()?, id)));
        }
    }
    Ok(newest.map(|(_, id)| id))
}

/// How the CLI writes a letter of a path in the name of the project's folder: it counts in UTF-16.
fn in_key(letter: char) -> String {
    if letter.is_ascii_alphanumeric() { letter.to_string() } else { "-".repeat(letter.len_utf16()) }
}

/// Why a conversation cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TranscriptError {
    /// There is none.
    #[error("the conversation's transcript is not there")]
    Missing,
    /// It cannot be read or mended.
    #[error("the conversation's transcript cannot be used: {0}")]
    Unusable(#[from] io::Error),
}

impl Transcript {
    pub(super) fn new(config: &Path, conversation: ConversationId) -> Self {
        Self { config: config.to_owned(), conversation }
    }

    pub(super) fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// Whether it is there. The CLI itself looks in all folders too.
    pub(super) async fn exists(&self) -> bool {
        self.find().await.is_some()
    }

    async fn find(&self) -> Option<PathBuf> {
        let file = format!("{}.jsonl", self.conversation);
        let mut folders = tokio::fs::read_dir(self.config.join("projects")).await.ok()?;
        while let Ok(Some(folder)) = folders.next_entry().await {
            let path = folder.path().join(&file);
            if tokio::fs::try_exists(&path).await.unwrap_or(false) {
                return Some(path);
            }
        }
        None
    }

    /// What was said in it, a JSON object a line.
    pub(super) async fn read(&self) -> io::Result<Option<mpsc::Receiver<Bytes>>> {
        let Some(path) = self.find().await else { return Ok(None) };
        let file = tokio::fs::File::open(path).await?.into_std().await;
        let (sender, receiver) = mpsc::channel(said::PIECES_AHEAD);
        tokio::spawn(said::send(file, sender));
        Ok(Some(receiver))
    }

    /// Makes sure that there is something to resume, that it ends with a whole line, and that the CLI goes on after its last
    /// message: a process that was killed may have left half of a line, and noted an earlier message.
    ///
    /// The right to do so is given back with the answer: nobody gets it while a thread is still at it whose caller has left.
    pub(super) async fn prepare_resume<R: Send + 'static>(&self, right: R) -> Result<R, TranscriptError> {
        let path = self.find().await.ok_or(TranscriptError::Missing)?;
        let id = self.conversation.0;
        let mend = move || {
            let length = mend_end(&path)?;
            leaf::mend_leaf(&path, id)?;
            Ok::<_, io::Error>((length, right))
        };
        let (length, right) = spawn_blocking(mend).await.map_err(io::Error::other)??;
        if length == 0 { Err(TranscriptError::Missing) } else { Ok(right) }
    }
}

impl Transcript {
    /// Whether it holds the prompt with this id.
    pub(super) async fn has_prompt(&self, prompt: Uuid) -> bool {
        let Some(path) = self.find().await else { return false };
        // A prompt that was taken into a running turn stands as an attachment, which names it as its source.
        let wanted = ["uuid", "source_uuid"].map(|field| format!("\"{field}\":\"{prompt}\""));
        match spawn_blocking(move || holds(&path, &wanted)).await.map_err(io::Error::other).flatten() {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(conversation = %self.conversation, %error, "a transcript cannot be searched");
                false
            }
        }
    }
}

/// Whether the file, which may be large, holds one of these texts: it is read in pieces.
fn holds(path: &Path, wanted: &[String]) -> io::Result<bool> {
    let longest = wanted.iter().map(String::len).max().unwrap_or(0);
    let finders: Vec<_> = wanted.iter().map(memmem::Finder::new).collect();
    let mut file = std::fs::File::open(path)?;
    let mut window = Vec::new();
    loop {
        // A match may begin in one piece and end in the next.
        window.drain(..window.len().saturating_sub(longest));
        if Read::by_ref(&mut file).take(PIECE).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if finders.iter().any(|finder| finder.find(&window).is_some()) {
            return Ok(true);
        }
    }
}

/// Completes or drops a last line without line end. Gives the file's length.
fn mend_end(path: &Path) -> io::Result<u64> {
    let mut file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let start = last_line_start(&mut file, length)?;
    if start == length {
        return Ok(length);
    }
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.read_to_end(&mut line)?;
    if serde_json::from_slice::<serde_json::Value>(&line).is_ok() {
        file.write_all(b"\n")?;
        return Ok(length + 1);
    }
    tracing::warn!(path = %path.display(), bytes = length - start, "half a line at the transcript's end was dropped");
    file.set_len(start)?;
    Ok(start)
}

/// Where the bytes after the last line end begin.
fn last_line_start(file: &mut std::fs::File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(place) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        config: tempfile::TempDir,
        id: ConversationId,
    }

    impl Place {
        fn new() -> Self {
            let config = tempfile::tempdir().expect("a folder");
            for folder in ["projects/-w-a", "projects/-w-b"] {
                std::fs::create_dir_all(config.path().join(folder)).expect("made");
            }
            Self { config, id: ConversationId::generate() }
        }

        fn transcript(&self) -> Transcript {
            Transcript::new(self.config.path(), self.id)
        }

        fn path(&self) -> PathBuf {
            self.config.path().join(format!("projects/-w-b/{}.jsonl", self.id))
        }

        /// The file's content after it was prepared for a resume.
        async fn prepared(&self, content: &[u8]) -> Vec<u8> {
            std::fs::write(self.path(), content).expect("written");
            self.transcript().prepare_resume(()).await.expect("usable");
            std::fs::read(self.path()).expect("read")
        }
    }

    #[tokio::test]
    async fn a_transcript_is_found_in_whichever_folder_it_is() {
        let place = Place::new();
        assert!(!place.transcript().exists().await);
        std::fs::write(place.path(), "{}\n").expect("written");
        assert!(place.transcript().exists().await);
    }

    #[tokio::test]
    async fn a_transcript_that_is_missing_or_empty_is_not_resumed() {
        let place = Place::new();
        let missing = place.transcript().prepare_resume(()).await;
        assert!(matches!(missing, Err(TranscriptError::Missing)), "{missing:?}");
        for content in ["", "{\"half"] {
            std::fs::write(place.path(), content).expect("written");
            let empty = place.transcript().prepare_resume(()).await;
            assert!(matches!(empty, Err(TranscriptError::Missing)), "{empty:?}");
        }
    }

    #[tokio::test]
    async fn a_torn_last_line_is_mended_and_nothing_else_is_touched() {
        let place = Place::new();
        assert_eq!(place.prepared(b"{\"a\":1}\n{\"b\":2}\n").await, b"{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(place.prepared(b"{\"a\":1}\n{\"b\":").await, b"{\"a\":1}\n");
        assert_eq!(place.prepared(b"{\"a\":1}\n{\"b\":2}").await, b"{\"a\":1}\n{\"b\":2}\n");
        let mut long = b"{\"a\":1}\n\"".to_vec();
        long.resize(200_000, b'x');
        assert_eq!(place.prepared(&long).await, b"{\"a\":1}\n");
    }

    #[tokio::test]
    async fn a_prompt_is_found_wherever_it_is_and_nothing_that_only_refers_to_it() {
        let (place, prompt) = (Place::new(), Uuid::from_u128(7));
        assert!(!place.transcript().has_prompt(prompt).await, "there is no file");
        let line = format!("{{\"uuid\":\"{prompt}\"}}\n");
        let piece = usize::try_from(PIECE).expect("small");
        for before in [0, piece - 20, piece, 3 * piece - 1] {
            std::fs::write(place.path(), "x".repeat(before) + &line + &"y".repeat(piece)).expect("written");
            assert!(place.transcript().has_prompt(prompt).await, "after {before} bytes");
        }
        for (field, is_told) in [("parentUuid", false), ("commandUuid", false), ("source_uuid", true)] {
            std::fs::write(place.path(), line.replace("uuid", field)).expect("written");
            assert_eq!(place.transcript().has_prompt(prompt).await, is_told, "{field}");
        }
    }
}

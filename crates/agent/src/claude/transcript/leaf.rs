//! Where a conversation goes on. Entries form a tree, and the CLI goes on from the leaf that its last `last-prompt` line names.
//! It writes that line some time after the entries: a process that was killed in between leaves one that is behind, and
//! its successor would forget the last prompt and all that was done for it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// What a line says of the tree.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(rename = "type", default)]
    kind: &'a str,
    #[serde(default)]
    uuid: Option<Uuid>,
    #[serde(default)]
    leaf_uuid: Option<Uuid>,
    #[serde(default)]
    parent_uuid: Option<Uuid>,
    #[serde(default)]
    is_sidechain: bool,
}

/// An entry that the CLI wrote.
#[derive(Debug, Clone, Copy)]
struct Entry {
    place: usize,
    parent: Option<Uuid>,
    /// A prompt, or the result of a tool.
    is_users: bool,
}

/// The newest message, and where the CLI would go on.
#[derive(Debug, Default)]
struct Ends {
    entries: HashMap<Uuid, Entry>,
    message: Option<(usize, Uuid)>,
    leaf: Option<(usize, Uuid)>,
}

impl Ends {
    fn of(file: File) -> io::Result<Self> {
        let (mut ends, mut line) = (Self::default(), Vec::new());
        let mut lines = BufReader::new(file);
        for place in 0.. {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            // What cannot be read is no entry for the CLI either.
            if let Ok(found) = serde_json::from_slice::<Line<'_>>(&line) {
                ends.take(place, &found);
            }
        }
        Ok(ends)
    }

    fn take(&mut self, place: usize, line: &Line<'_>) {
        if line.kind == "last-prompt" {
            self.leaf = line.leaf_uuid.map(|leaf| (place, leaf)).or(self.leaf);
        }
        let Some(id) = line.uuid else { return };
        let is_users = line.kind == "user" && !line.is_sidechain;
        self.entries.insert(id, Entry { place, parent: line.parent_uuid, is_users });
        if matches!(line.kind, "user" | "assistant") && !line.is_sidechain {
            self.message = Some((place, id));
        }
    }

    /// The message that is to be gone on from, if the CLI would not.
    fn forgotten(&self) -> Option<Uuid> {
        let ((message_at, message), (leaf_at, leaf)) = (self.message?, self.leaf?);
        let named_at = self.entries.get(&leaf).map_or(0, |entry| entry.place);
        let is_behind = message_at > leaf_at && message_at > named_at;
        (is_behind || self.leaves_out(leaf, message)).then_some(message)
    }

    /// Whether what a user said stands between the leaf and a message that comes after it. The CLI leaves answers out on purpose,
    /// and nothing else: but when it resumes, it notes the leaf that it found once more, which may come after the next prompt.
    fn leaves_out(&self, leaf: Uuid, message: Uuid) -> bool {
        let (mut at, mut is_said) = (message, false);
        while at != leaf {
            let Some(Entry { place, parent: Some(parent), is_users }) = self.entries.get(&at).copied() else {
                return false;
            };
            // Each is written after its parent: so there are no circles.
            if self.entries.get(&parent).is_none_or(|found| found.place >= place) {
                return false;
            }
            is_said |= is_users;
            at = parent;
        }
        is_said
    }
}

/// Has the CLI go on after the last message, whatever its own line says. The file has to end with a whole line.
pub(super) fn mend_leaf(path: &Path, conversation: Uuid) -> io::Result<()> {
    let Some(message) = Ends::of(File::open(path)?)?.forgotten() else { return Ok(()) };
    let line = json!({"type": "last-prompt", "leafUuid": message, "sessionId": conversation});
    let mut file = OpenOptions::new().append(true).open(path)?;
    writeln!(file, "{line}")?;
    tracing::info!(%conversation, "a conversation goes on after its last message, which its killed agent had not noted");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, id: u128) -> String {
        json!({"type": kind, "uuid": Uuid::from_u128(id), "isSidechain": false, "message": {"content": "…"}})
            .to_string()
    }

    fn leaf(id: u128) -> String {
        json!({"type": "last-prompt", "lastPrompt": "p", "leafUuid": Uuid::from_u128(id)}).to_string()
    }

    /// The leaf that is added to a transcript of these lines.
    fn added(lines: &[String]) -> Option<Uuid> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let before = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        std::fs::write(file.path(), &before).expect("written");
        mend_leaf(file.path(), Uuid::nil()).expect("mended");
        let after = std::fs::read_to_string(file.path()).expect("read");
        let more = after.strip_prefix(&before).expect("nothing is changed");
        let line: Option<serde_json::Value> =
            more.lines().next().map(|line| serde_json::from_str(line).expect("JSON"));
        line.map(|line| line["leafUuid"].as_str().expect("a leaf").parse().expect("an id"))
    }

    #[test]
    fn a_line_that_is_behind_is_brought_up_to_date() {
        let lines =
            [entry("user", 1), leaf(2), entry("assistant", 2), entry("system", 3), leaf(3), entry("user", 4)];
        assert_eq!(added(&lines), Some(Uuid::from_u128(4)));
        let more =
            [&lines[..], &[entry("assistant", 5), "{\"half".to_owned(), entry("attachment", 6)]].concat();
        assert_eq!(added(&more), Some(Uuid::from_u128(5)));
    }

    #[test]
    fn a_line_that_comes_after_a_prompt_that_it_does_not_know_is_brought_up_to_date() {
        let child = |kind: &str, id: u128, parent: u128| {
            let (id, parent) = (Uuid::from_u128(id), Uuid::from_u128(parent));
            json!({"type": kind, "uuid": id, "parentUuid": parent}).to_string()
        };
        let first = [entry("user", 1), child("assistant", 2, 1), leaf(2)];
        let with = |more: &[String]| added(&[&first[..], more].concat());
        assert_eq!(with(&[child("user", 3, 2), leaf(2)]), Some(Uuid::from_u128(3)));
        let worked = [child("attachment", 3, 2), child("user", 4, 3), child("assistant", 5, 4)];
        assert_eq!(with(&[&worked[..], &[leaf(2)]].concat()), Some(Uuid::from_u128(5)));
        assert_eq!(with(&[&worked[..], &[leaf(4)]].concat()), None, "an answer was left out");
        assert_eq!(with(&[child("user", 3, 1), leaf(2)]), None, "another branch");
        assert_eq!(with(&[child("user", 3, 9), leaf(2)]), None, "of something that is not there");
        assert_eq!(with(&[child("user", 3, 3), leaf(2)]), None, "a circle");
    }

    #[test]
    fn what_the_cli_noted_itself_stays() {
        assert_eq!(
            added(&[entry("user", 1), entry("assistant", 2), leaf(1)]),
            None,
            "it has left that answer out"
        );
        assert_eq!(
            added(&[entry("user", 1), leaf(2), entry("assistant", 2)]),
            None,
            "it is named before it is written"
        );
        assert_eq!(added(&[entry("user", 1), leaf(3), entry("assistant", 2), entry("system", 3)]), None);
        assert_eq!(added(&[entry("user", 1)]), None, "without a line it takes the last message");
        let sub_agent =
            json!({"type": "assistant", "uuid": Uuid::from_u128(9), "isSidechain": true}).to_string();
        assert_eq!(added(&[entry("user", 1), leaf(1), sub_agent]), None);
    }
}

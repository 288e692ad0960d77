//! What the CLI wrote down of its conversations.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The entries of one conversation.
pub(super) struct Conversation(Vec<Value>);

/// What a conversation holds of a task.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// Its prompt.
    pub(super) was_prompted: bool,
    /// Its last call was made, and its outcome is not known.
    pub(super) was_cut_off: bool,
    /// Its answer was given.
    pub(super) was_answered: bool,
}

impl Written {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            was_prompted: self.was_prompted || other.was_prompted,
            was_cut_off: self.was_cut_off || other.was_cut_off,
            was_answered: self.was_answered || other.was_answered,
        }
    }
}

impl Conversation {
    /// All conversations below a folder; none where the agents are no CLI.
    pub(super) fn all(folder: &Path) -> Vec<Self> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                found.extend(Self::all(&path));
            } else if path.extension().is_some_and(|extension| extension == "jsonl") {
                let text = fs::read_to_string(&path).expect("a conversation");
                // The last line may have been cut off with its writer.
                found.push(Self(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()));
            }
        }
        found
    }

    /// The blocks of all messages of that kind.
    fn blocks(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let contents = self.0.iter().filter_map(|entry| entry["message"]["content"].as_array());
        contents.flatten().filter(move |block| block["type"] == kind)
    }

    /// What it holds of a task.
    pub(super) fn of(&self, task: &str) -> Written {
        // The CLI writes a result into the gap that says that the outcome is unknown.
        let is_known = |block: &&Value| block["is_error"] != true;
        let results = self.blocks("tool_result").filter(is_known);
        let results: HashSet<_> = results.filter_map(|block| block["tool_use_id"].as_str()).collect();
        let end = format!("end-{task}\"");
        let is_end =
            |block: &&Value| block["input"]["command"].as_str().is_some_and(|text| text.contains(&end));
        let mut calls = self.blocks("tool_use").filter(is_end).filter_map(|block| block["id"].as_str());
        let prompt = format!("[[say {task}]]");
        let is_prompt = |block: &Value| block["text"].as_str().is_some_and(|text| text.contains(&prompt));
        Written {
            was_prompted: self.blocks("text").any(is_prompt),
            was_cut_off: calls.any(|id| !results.contains(id)),
            was_answered: self.blocks("text").any(|block| block["text"] == task),
        }
    }
}

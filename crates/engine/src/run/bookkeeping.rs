//! The counters of a task.

use std::collections::HashSet;

use agent::{Said, Statement, TurnEnd};
use domain::{Progress, TokenUsage};

use super::survey::FileId;

/// Tools that change no files, or say which.
const TELLING: [&str; 13] = [
    "Agent",
    "Edit",
    "Glob",
    "Grep",
    "LS",
    "NotebookEdit",
    "Read",
    "Task",
    "TodoWrite",
    "ToolSearch",
    "WebFetch",
    "WebSearch",
    "Write",
];

/// Counts what the agent reports. Live figures of the running turn give way to the turn's own account at its end.
#[derive(Debug, Default)]
pub(super) struct Bookkeeping {
    finished_turns: u64,
    finished_tokens: TokenUsage,
    live_turns: u64,
    live_tokens: TokenUsage,
    /// Files that earlier attempts changed.
    files_before: u64,
    files: HashSet<FileId>,
    /// Whether tools were used that may have changed files without saying so.
    pub(super) may_have_changed_more: bool,
    /// The model's last text in the main conversation.
    pub(super) last_text: String,
    pub(super) cost_usd: f64,
    /// Whether the model has answered: then there is a conversation, wherever its transcript is.
    pub(super) has_answered: bool,
    told: (u64, TokenUsage, u64),
}

impl Bookkeeping {
    /// The books of a task whose earlier attempts got so far.
    pub(super) fn new(before: Progress, cost_usd: f64) -> Self {
        Self {
            finished_turns: before.turns,
            finished_tokens: before.tokens,
            files_before: before.files_modified,
            cost_usd,
            told: (before.turns, before.tokens, before.files_modified),
            ..Self::default()
        }
    }

    pub(super) fn said(&mut self, said: &Said) {
        match &said.statement {
            Statement::Text { content, .. } if said.parent_tool_use_id.is_none() => {
                self.last_text.clone_from(content);
            }
            Statement::ToolResult { changed_file: Some(file), .. } => {
                self.files.insert(FileId::of(file));
            }
            Statement::ToolUse { name, .. } if !TELLING.contains(&name.as_str()) => {
                self.may_have_changed_more = true;
            }
            _ => {}
        }
    }

    /// Files that were found to have changed.
    pub(super) fn found_changed(&mut self, files: Vec<FileId>) {
        self.files.extend(files);
    }

    pub(super) fn counted(&mut self, turns: u64, tokens: TokenUsage) {
        self.has_answered = true;
        self.live_turns = turns;
        self.live_tokens = tokens;
    }

    pub(super) fn turn_ended(&mut self, end: &TurnEnd) {
        self.finished_turns += end.turns;
        self.finished_tokens += end.tokens.unwrap_or(self.live_tokens);
        self.live_turns = 0;
        self.live_tokens = TokenUsage::default();
        self.cost_usd += end.cost_usd;
        if !end.text.is_empty() {
            self.last_text.clone_from(&end.text);
        }
    }

    pub(super) fn progress(&self, elapsed_ms: u64) -> Progress {
        Progress {
            turns: self.finished_turns + self.live_turns,
            tokens: self.finished_tokens + self.live_tokens,
            files_modified: self.files_before + self.files.len() as u64,
            elapsed_ms,
        }
    }

    /// The progress, if it differs from what was told last.
    pub(super) fn news(&mut self, elapsed_ms: u64) -> Option<Progress> {
        let progress = self.progress(elapsed_ms);
        let now = (progress.turns, progress.tokens, progress.files_modified);
        (now != std::mem::replace(&mut self.told, now)).then_some(progress)
    }
}

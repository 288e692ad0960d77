//! What came of a run: `summary.json`, and the same in lines.

use client::readable::{Line, Tone};
use serde::Serialize;

use crate::git::Change;

/// Exit code of a task that was done.
pub(crate) const COMPLETED: u8 = 0;
/// Of one that failed.
pub(crate) const FAILED: u8 = 1;
/// Of one that took too long, as `timeout(1)` has it.
pub(crate) const TIMED_OUT: u8 = 124;
/// Of one that was interrupted, as a shell has it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Tokens, those from and to the prompt cache included in the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TokenUsage {
    pub(crate) total: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// Lines of text files; a changed line is one that is gone and one that is new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LocChanges {
    pub(crate) added: u64,
    pub(crate) removed: u64,
}

/// `summary.json`. The fields up to `errors` are those of the worker that this one replaces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) run_id: String,
    /// The branch with the changes.
    pub(crate) branch: String,
    /// `server` or `cli`.
    pub(crate) execution_mode: &'static str,
    /// 0 completed, 1 failed, 124 timed out, 130 interrupted.
    pub(crate) exit_code: u8,
    /// From the submission, or the start of the CLI, to the end.
    pub(crate) duration_seconds: f64,
    pub(crate) token_usage: TokenUsage,
    pub(crate) total_cost_usd: f64,
    pub(crate) loc_changes: LocChanges,
    /// How many files differ from the base, new ones included.
    pub(crate) files_changed: usize,
    /// What went wrong.
    pub(crate) errors: Vec<String>,
    /// The agent's final text.
    pub(crate) summary: String,
    /// Which files differ, and by how much.
    pub(crate) files: Vec<Change>,
    /// The folder in which the agent worked.
    pub(crate) workspace: String,
    /// The commit that the branch began with.
    pub(crate) base: String,
    /// The commit that the worker made; null when it made none.
    pub(crate) commit: Option<String>,
    /// Folders that are repositories of their own: new ones, and submodules that were changed. Neither the branch nor the numbers above
    /// hold what is in them.
    pub(crate) repositories: Vec<String>,
    /// The server's task; null for `cli`.
    pub(crate) task_id: Option<String>,
    /// The conversation: the server's session, or the CLI's.
    pub(crate) session_id: Option<String>,
}

impl Summary {
    /// The summary in lines.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let aside = |label: &str, text: String| Line::new(label, Tone::Aside, text);
        let LocChanges { added, removed } = self.loc_changes;
        let TokenUsage { total, input, output } = self.token_usage;
        let mut lines = vec![
            Line::new(self.word(), self.tone(), format!("in {:.1} s", self.duration_seconds)),
            aside("branch", self.branch.clone()),
            aside("files", format!("{} changed, +{added} -{removed} lines", self.files_changed)),
            aside("tokens", format!("{total} ({input} in, {output} out), ${:.4}", self.total_cost_usd)),
        ];
        lines.extend(self.commit.iter().map(|commit| aside("commit", commit.clone())));
        lines.extend(self.errors.iter().map(|error| Line::new("error", Tone::Bad, error.as_str())));
        lines
    }

    fn word(&self) -> &'static str {
        match self.exit_code {
            COMPLETED => "completed",
            TIMED_OUT => "timed out",
            INTERRUPTED => "interrupted",
            _ => "failed",
        }
    }

    fn tone(&self) -> Tone {
        if self.exit_code == COMPLETED { Tone::Success } else { Tone::Failure }
    }
}

/// The heading of a table of runs.
pub(crate) const HEADING: [&str; 9] =
    ["TASK", "OUTCOME", "EXIT", "SECONDS", "FILES", "LINES", "TOKENS", "USD", "BRANCH"];

/// A run's row in that table.
pub(crate) fn row(name: &str, summary: &Summary) -> [String; 9] {
    let LocChanges { added, removed } = summary.loc_changes;
    [
        name.to_owned(),
        summary.word().to_owned(),
        summary.exit_code.to_string(),
        format!("{:.1}", summary.duration_seconds),
        summary.files_changed.to_string(),
        format!("+{added} -{removed}"),
        summary.token_usage.total.to_string(),
        format!("{:.4}", summary.total_cost_usd),
        summary.branch.clone(),
    ]
}

/// One exit code for several: interrupted before failed before timed out before completed.
pub(crate) fn exit_code(codes: &[u8]) -> u8 {
    let rank = |code: &u8| match *code {
        COMPLETED => 0,
        TIMED_OUT => 1,
        INTERRUPTED => 3,
        _ => 2,
    };
    codes.iter().copied().max_by_key(rank).unwrap_or(COMPLETED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_is_that_of_all() {
        assert_eq!(exit_code(&[0, 0]), 0);
        assert_eq!(exit_code(&[0, 124, 0]), 124);
        assert_eq!(exit_code(&[124, 1, 0]), 1);
        assert_eq!(exit_code(&[1, 130, 124]), 130);
    }
}

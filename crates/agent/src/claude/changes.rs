//! Which file a tool changed, read from the tool's own structured output (protocol section 6.3).

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileChange {
    file_path: Option<PathBuf>,
    notebook_path: Option<PathBuf>,
    content: Option<String>,
    original_file: Option<String>,
    old_string: Option<String>,
    new_string: Option<String>,
}

#[derive(Deserialize)]
struct FileInput {
    file_path: Option<PathBuf>,
    notebook_path: Option<PathBuf>,
}

fn changes_files(tool: &str) -> bool {
    matches!(tool, "Write" | "Edit" | "NotebookEdit")
}

/// The file that a call of `tool` is to change, by its input.
pub(super) fn file_to_change(tool: &str, input: &RawValue) -> Option<PathBuf> {
    if !changes_files(tool) {
        return None;
    }
    let input: FileInput = serde_json::from_str(input.get()).ok()?;
    input.file_path.or(input.notebook_path)
}

/// The file that a successful call of `tool` changed. A `Write` that repeats what was there changed nothing.
pub(super) fn changed_file(tool: &str, output: &RawValue) -> Option<PathBuf> {
    if !changes_files(tool) {
        return None;
    }
    // On failure the output is a text, which is no change.
    let change: FileChange = serde_json::from_str(output.get()).ok()?;
    let same_content = change.content.is_some() && change.content == change.original_file;
    let same_text = change.old_string.is_some() && change.old_string == change.new_string;
    if same_content || same_text { None } else { change.file_path.or(change.notebook_path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(tool: &str, output: &str) -> Option<String> {
        let output = RawValue::from_string(output.to_owned()).expect("JSON");
        changed_file(tool, &output).map(|path| path.display().to_string())
    }

    #[test]
    fn counts_what_really_changed() {
        let create =
            r#"{"type":"create","filePath":"/w/a","content":"hi","structuredPatch":[],"originalFile":null}"#;
        let same =
            r#"{"type":"update","filePath":"/w/a","content":"hi","structuredPatch":[],"originalFile":"hi"}"#;
        let edit = r#"{"filePath":"/w/a","oldString":"hi","newString":"bye","originalFile":"hi"}"#;
        assert_eq!(changed("Write", create), Some("/w/a".into()));
        assert_eq!(changed("Write", same), None);
        assert_eq!(changed("Edit", edit), Some("/w/a".into()));
        assert_eq!(changed("Edit", r#""Error: no such file""#), None);
        assert_eq!(changed("Read", r#"{"type":"text","file":{"filePath":"/w/a"}}"#), None);
    }
}

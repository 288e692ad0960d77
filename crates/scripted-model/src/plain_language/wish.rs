//! Reads from a prompt which file the human wants, and whether it should be run.

use super::file_content::content;

/// A file to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) file_name: String,
    pub(super) content: String,
    /// The command that runs it.
    pub(super) run: Option<String>,
}

const MAKING: [&str; 8] = ["create", "write", "make", "add", "build", "generate", "implement", "save"];
const RUNNING: [&str; 3] = ["run", "execute", "test"];
/// A question that begins like this asks for words, not for a file.
const QUESTIONS: [&str; 10] = ["what", "how", "why", "when", "who", "where", "which", "is", "does", "do"];
/// Names of products that look like files.
const NOT_FILES: [&str; 5] = ["node.js", "next.js", "vue.js", "react.js", "express.js"];
const EXTENSIONS: [&str; 22] = [
    "py", "js", "ts", "jsx", "tsx", "sh", "rs", "go", "c", "h", "html", "css", "json", "md", "txt", "yaml",
    "yml", "toml", "csv", "java", "rb", "sql",
];

/// What the prompt asks to make, if anything.
pub(super) fn wish(prompt: &str) -> Option<Wish> {
    let lower = prompt.to_lowercase();
    let says = |list: &[&str]| words(&lower).any(|word| list.contains(&word));
    let is_question = prompt.trim_end().ends_with('?')
        && words(&lower).next().is_some_and(|word| QUESTIONS.contains(&word));
    if is_question || !says(&MAKING) {
        return None;
    }
    let file_name = file_name(prompt).unwrap_or_else(|| default_name(&lower).to_owned());
    let quoted = quoted(prompt).filter(|text| *text != file_name);
    let content = content(&file_name, quoted, prompt);
    let run = says(&RUNNING).then(|| command(&file_name)).flatten();
    Some(Wish { file_name, content, run })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn default_name(lower: &str) -> &'static str {
    let says = ["python", "hello", "script"].iter().any(|word| lower.contains(word));
    if says { "hello.py" } else { "notes.md" }
}

/// The first word that looks like the name of a file within the workspace.
fn file_name(prompt: &str) -> Option<String> {
    let not_in_names = |char: char| !(char.is_ascii_alphanumeric() || "._-/".contains(char));
    let mut tokens = prompt.split(not_in_names).map(|token| token.trim_end_matches(['.', '-', '/']));
    tokens.find(|token| looks_like_a_file(token)).map(str::to_owned)
}

fn looks_like_a_file(token: &str) -> bool {
    let Some((stem, extension)) = token.rsplit_once('.') else { return false };
    let known = EXTENSIONS.contains(&extension.to_lowercase().as_str());
    let safe = !token.starts_with(['/', '-']) && !token.split('/').any(|part| part == "..");
    known
        && safe
        && stem.chars().any(char::is_alphanumeric)
        && !NOT_FILES.contains(&token.to_lowercase().as_str())
}

/// The first text in double quotes.
fn quoted(prompt: &str) -> Option<&str> {
    let between = |open: char, close: char| Some(prompt.split_once(open)?.1.split_once(close)?.0);
    between('"', '"').or_else(|| between('\u{201c}', '\u{201d}')).filter(|text| !text.is_empty())
}

fn command(file_name: &str) -> Option<String> {
    let program = match file_name.rsplit_once('.')?.1 {
        "py" => "python3",
        "js" => "node",
        "sh" => "sh",
        _ => return None,
    };
    Some(format!("{program} {file_name}"))
}

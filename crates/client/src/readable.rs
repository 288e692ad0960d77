//! Events as lines for people.

use serde_json::Value;
use unicode_general_category::{GeneralCategory, get_general_category};

use crate::Event;

/// Longest text that is shown of one event unless all is wanted, in characters.
pub const MOST_CHARACTERS: usize = 300;

/// What a line is about, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    Plain,
    /// What the agent says.
    Agent,
    /// What it does.
    Tool,
    /// What matters less.
    Aside,
    /// Something to know.
    Note,
    /// Something went wrong.
    Bad,
    /// The end, a good one.
    Success,
    /// The end, a bad one.
    Failure,
}

impl Tone {
    /// The terminal's code for it (ECMA-48, SGR).
    pub(crate) const fn colour(self) -> &'static str {
        match self {
            Self::Plain => "1",
            Self::Agent => "32",
            Self::Tool => "36",
            Self::Aside => "90",
            Self::Note => "33",
            Self::Bad => "31",
            Self::Success => "1;32",
            Self::Failure => "1;31",
        }
    }
}

/// A line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whose or what it is, in a word.
    pub label: String,
    /// What it is about.
    pub tone: Tone,
    /// The text, whole and as it came: it may have line ends and control characters.
    pub text: String,
}

impl Line {
    /// A line.
    pub fn new(label: &str, tone: Tone, text: impl Into<String>) -> Self {
        Self { label: label.to_owned(), tone, text: text.into() }
    }

    /// The text as one line of at most so many characters.
    #[must_use]
    pub fn short(&self, most: usize) -> String {
        one_line(&self.text, most)
    }

    /// The text as it came, its further lines set in by `margin`.
    #[must_use]
    pub fn whole(&self, margin: usize) -> String {
        harmless(&self.text).replace('\n', &format!("\n{:margin$}", ""))
    }
}

/// One line of at most so many characters, none of which could take over the terminal or show the text as another one: control
/// characters are blanks, and what is invisible or turns the text around is a U+FFFD.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let mut line: String = text.chars().map(harmless_character).take(most).collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

fn harmless_character(character: char) -> char {
    match get_general_category(character) {
        // Persian, Indic scripts and emojis are joined by these two.
        _ if matches!(character, '\u{200c}' | '\u{200d}') => character,
        GeneralCategory::Control => ' ',
        // Such as bidirectional overrides and isolates, zero-width characters, tags, separators of lines.
        GeneralCategory::Format | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => {
            char::REPLACEMENT_CHARACTER
        }
        _ => character,
    }
}

/// The text with nothing that could take over the terminal, its line ends kept. See [`one_line`].
#[must_use]
pub fn harmless(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| one_line(line, usize::MAX)).collect();
    lines.join("\n")
}

/// An event's lines; none for what says nothing to people.
#[must_use]
pub fn lines(event: &Event) -> Vec<Line> {
    let data = event.data();
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let line = match event.kind() {
        "message" => return message(data).into_iter().collect(),
        "tool_use" => {
            let input = summary_of_input(&data["tool_input"]);
            Line::new("tool", Tone::Tool, format!("{} {input}", text("tool_name")))
        }
        "tool_result" if data["is_error"] == true => {
            Line::new("refused", Tone::Bad, format!("{}: {}", text("tool_name"), text("content")))
        }
        "tool_result" => Line::new("result", Tone::Aside, text("content")),
        "progress" => Line::new("progress", Tone::Aside, progress(data)),
        "error" => Line::new("error", Tone::Bad, text("error")),
        "complete" => return complete(data),
        _ => return Vec::new(),
    };
    vec![line]
}

fn message(data: &Value) -> Option<Line> {
    let content = data["content"].as_str().unwrap_or_default();
    let told = &data["data"];
    Some(match (data["message_type"].as_str()?, data["subtype"].as_str().unwrap_or_default()) {
        ("assistant", _) => Line::new("agent", Tone::Agent, content),
        ("thinking", _) => Line::new("thinks", Tone::Aside, content),
        ("user", _) => Line::new("told", Tone::Aside, content),
        ("system", "init") => {
            let text = |name: &str| told[name].as_str().unwrap_or("?");
            let version = text("claude_code_version");
            Line::new("agent", Tone::Agent, format!("Claude Code {version}, {}", text("model")))
        }
        ("system", "api_retry") => {
            let status = &told["error_status"];
            Line::new("retry", Tone::Note, format!("the model API answered {status}"))
        }
        ("system", "agent_question") => Line::new("question", Tone::Note, content),
        _ => return None,
    })
}

fn complete(data: &Value) -> Vec<Line> {
    let status = data["status"].as_str().unwrap_or_default();
    let tone = if status == "completed" { Tone::Success } else { Tone::Failure };
    let cost = data["total_cost_usd"].as_f64().unwrap_or_default();
    let mut lines = vec![Line::new(status, tone, format!("{}, ${cost:.4}", progress(data)))];
    let errors = data["errors"].as_array().into_iter().flatten();
    lines.extend(errors.map(|error| Line::new("error", Tone::Bad, error.as_str().unwrap_or_default())));
    lines
}

/// How far a task is, in words.
#[must_use]
pub fn progress(data: &Value) -> String {
    let seconds = data["elapsed_time_ms"].as_f64().unwrap_or_default() / 1000.0;
    format!("{}, {seconds:.1} s", counters(data))
}

pub(crate) fn counters(data: &Value) -> String {
    let count = |name: &str| data[name].as_u64().unwrap_or_default();
    format!(
        "{} turns, {} tokens, {} files modified",
        count("turns"),
        count("tokens_used"),
        count("files_modified")
    )
}

/// The part of a tool's input that says most.
#[must_use]
pub fn summary_of_input(input: &Value) -> String {
    let telling = ["command", "file_path", "path", "pattern", "url", "description"];
    let found = telling.iter().find_map(|name| input[*name].as_str());
    found.map_or_else(|| input.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(event: &Value) -> Vec<(String, String)> {
        let event = Event::read(&event.to_string()).expect("an event");
        lines(&event).into_iter().map(|line| (line.label.clone(), line.short(40))).collect()
    }

    #[test]
    fn an_event_says_what_people_want_to_know() {
        let pair = |label: &str, text: &str| vec![(label.to_owned(), text.to_owned())];
        let tool =
            json!({"type": "tool_use", "data": {"tool_name": "Bash", "tool_input": {"command": "ls\n-l"}}});
        assert_eq!(shown(&tool), pair("tool", "Bash ls -l"));
        let odd = json!({"type": "tool_use", "data": {"tool_name": "X", "tool_input": {"a": 1}}});
        assert_eq!(shown(&odd), pair("tool", "X {\"a\":1}"));
        let refused =
            json!({"type": "tool_result", "data": {"tool_name": "Bash", "content": "no", "is_error": true}});
        assert_eq!(shown(&refused), pair("refused", "Bash: no"));
        let said =
            json!({"type": "message", "data": {"message_type": "assistant", "content": "\u{1b}[2Jhi"}});
        assert_eq!(shown(&said), pair("agent", " [2Jhi"));
        assert_eq!(
            shown(&json!({"type": "message", "data": {"message_type": "system", "subtype": "x"}})),
            []
        );
        assert_eq!(shown(&json!({"type": "new kind"})), []);
    }

    #[test]
    fn nothing_in_a_text_takes_over_the_terminal_or_hides() {
        let cases = [
            // A colour, a link and a title, each with both kinds of introducer.
            ("\u{1b}[31mred\u{1b}[0m", " [31mred [0m"),
            ("\u{9b}31mred", " 31mred"),
            ("\u{1b}]8;;http://x\u{1b}\\here\u{1b}]8;;\u{7}", " ]8;;http://x \\here ]8;; "),
            ("\u{9d}0;title\u{9c}", " 0;title "),
            ("over\u{8}\u{7f}\rwritten", "over   written"),
            // Overrides, isolates, marks.
            ("safe\u{202e}exe.txt\u{202c}", "safe\u{fffd}exe.txt\u{fffd}"),
            ("\u{2066}a\u{2067}b\u{2068}c\u{2069}", "\u{fffd}a\u{fffd}b\u{fffd}c\u{fffd}"),
            ("a\u{200e}b\u{200f}c\u{61c}d", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
            // Invisible.
            ("a\u{200b}b\u{2060}c\u{feff}d\u{ad}e", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"),
            ("a\u{e0041}b\u{2028}c\u{2029}d", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
            // What people write stays.
            ("Grüße, 世界, שלום, हिन्दी, e\u{301}, 👍", "Grüße, 世界, שלום, हिन्दी, e\u{301}, 👍"),
            ("می\u{200c}خواهم, 👩\u{200d}💻", "می\u{200c}خواهم, 👩\u{200d}💻"),
        ];
        for (text, shown) in cases {
            assert_eq!(one_line(text, 100), shown, "{text:?}");
            assert_eq!(harmless(text), shown, "{text:?}");
        }
    }

    #[test]
    fn the_end_names_every_error() {
        let end = json!({"type": "complete", "data": {"status": "failed", "errors": ["late"], "total_cost_usd": 0.5,
            "turns": 2, "tokens_used": 30, "files_modified": 1, "elapsed_time_ms": 1_250}});
        let expected = [("failed", "2 turns, 30 tokens, 1 files modified, 1.…"), ("error", "late")];
        assert_eq!(shown(&end), expected.map(|(label, text)| (label.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_whole_text_keeps_its_lines_and_nothing_else() {
        let line = Line::new("agent", Tone::Agent, "one\n\u{7}two\tthree");
        assert_eq!(line.whole(3), "one\n    two three");
    }
}

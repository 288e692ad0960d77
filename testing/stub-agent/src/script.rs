//! What a prompt says to do: words, separated by `;`.

use std::time::Duration;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// Writes messages as fast as the pipe takes them.
    Emit { count: u64, bytes: usize },
    /// Writes messages that say when they were written, so many a second.
    Rate { per_second: f64, bytes: usize, seconds: f64 },
    /// Waits.
    Sleep(Duration),
    /// Waits for an interrupt.
    Hold,
    /// Appends a line to a file.
    Log { file: String, word: String },
    /// The same, once an interrupt has been noticed.
    OnInterrupt { file: String, word: String },
    /// Says a text.
    Say(String),
    /// Says the earlier prompts of the conversation.
    Recall,
    /// Uses a tool, whose result is still to come.
    Tool { name: String, input: String },
    /// Its result.
    ToolEnd,
    /// Starts tasks that outlast the turn.
    Background { count: usize, after: Duration },
    /// The model API refuses.
    ApiError(u16),
    /// Ends the process.
    Crash,
    /// Adds to what the turn costs, in US dollars.
    Cost(f64),
}

/// The words of a prompt. One that is not understood becomes a text that says so.
pub(crate) fn parse(prompt: &str) -> impl Iterator<Item = Word> + '_ {
    prompt.split(';').map(str::trim).filter(|text| !text.is_empty()).map(|text| {
        word(text).unwrap_or_else(|| Word::Say(format!("not a word that the stub knows: {text}")))
    })
}

fn word(text: &str) -> Option<Word> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let numbers: Vec<&str> = rest.split_whitespace().collect();
    Some(match (name, numbers.as_slice()) {
        ("say", _) => Word::Say(rest.to_owned()),
        ("log", _) => {
            let (file, word) = file_and_word(rest)?;
            Word::Log { file, word }
        }
        ("oninterrupt", _) => {
            let (file, word) = file_and_word(rest)?;
            Word::OnInterrupt { file, word }
        }
        ("tool", [name, ..]) => {
            let input = rest.strip_prefix(name)?.trim();
            let input = if input.is_empty() { "{}" } else { input };
            serde_json::from_str::<serde_json::Value>(input).ok()?;
            Word::Tool { name: (*name).to_owned(), input: input.to_owned() }
        }
        ("emit", [count, bytes]) => Word::Emit { count: count.parse().ok()?, bytes: bytes.parse().ok()? },
        ("rate", [per_second, bytes, seconds]) => Word::Rate {
            per_second: positive(per_second)?,
            bytes: bytes.parse().ok()?,
            seconds: positive(seconds)?,
        },
        ("sleep", [time]) => Word::Sleep(milliseconds(time)?),
        ("background", [count, time]) => {
            Word::Background { count: count.parse().ok()?, after: milliseconds(time)? }
        }
        ("api_error", [status]) => Word::ApiError(status.parse().ok()?),
        ("cost", [usd]) => Word::Cost(positive(usd)?),
        ("hold", []) => Word::Hold,
        ("recall", []) => Word::Recall,
        ("toolend", []) => Word::ToolEnd,
        ("crash", []) => Word::Crash,
        _ => return None,
    })
}

fn file_and_word(rest: &str) -> Option<(String, String)> {
    let (file, word) = rest.rsplit_once(char::is_whitespace)?;
    Some((file.trim_end().to_owned(), word.to_owned()))
}

fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_with_what_belongs_to_it() {
        let prompt = "emit 3 40; rate 1000 512 2.5 ;sleep 5; hold; log /a b/c.log one; say a, b ;recall; \
                      tool Write {\"file_path\":\"/x\"}; tool Bash; toolend; background 2 100; \
                      api_error 529; crash; cost 0.25; oninterrupt /a b/c.log two;;";
        let expected = [
            Word::Emit { count: 3, bytes: 40 },
            Word::Rate { per_second: 1000.0, bytes: 512, seconds: 2.5 },
            Word::Sleep(Duration::from_millis(5)),
            Word::Hold,
            Word::Log { file: "/a b/c.log".into(), word: "one".into() },
            Word::Say("a, b".into()),
            Word::Recall,
            Word::Tool { name: "Write".into(), input: "{\"file_path\":\"/x\"}".into() },
            Word::Tool { name: "Bash".into(), input: "{}".into() },
            Word::ToolEnd,
            Word::Background { count: 2, after: Duration::from_millis(100) },
            Word::ApiError(529),
            Word::Crash,
            Word::Cost(0.25),
            Word::OnInterrupt { file: "/a b/c.log".into(), word: "two".into() },
        ];
        assert_eq!(parse(prompt).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_no_word_is_told_and_not_guessed() {
        for text in ["emit 3", "emit x 4", "sleep -1", "rate 1 2 inf", "hold on", "log x", "tool X {", "p"] {
            let told = Word::Say(format!("not a word that the stub knows: {text}"));
            assert_eq!(parse(text).collect::<Vec<_>>(), [told]);
        }
    }
}

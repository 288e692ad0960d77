//! Gives each `[[name argument]]` its meaning.

use std::time::Duration;

use super::scan::{Raw, scan};
use super::{Directive, Fault, FaultKind, Malformed, ToolCall, ToolInput};

/// What the answer to an unknown directive lists.
pub(crate) const ALLOWED: &str = "say, write, edit, read, bash, bashbg, agent, tool, ask, par, /par, think, stream, \
     sleep, stall, hang, error, cut, midstream, usage, stop, history";

/// The most deltas of one `[[stream]]`.
const MAX_STREAM: u32 = 1_000_000;
/// The longest `sleep`, `stall` or gap: one hour.
const MAX_MILLISECONDS: u64 = 3_600_000;

/// Reads all directives of a text, in order.
pub(crate) fn parse(text: &str) -> Result<Vec<Directive>, Malformed> {
    let mut directives = Vec::new();
    let mut parallel: Option<Vec<ToolCall>> = None;
    for raw in scan(text)? {
        match (raw.name, parallel.as_mut()) {
            ("par", None) => parallel = Some(Vec::new()),
            ("/par", Some(calls)) if calls.is_empty() => return Err(raw.malformed("there is no tool in it")),
            ("/par", Some(_)) => directives.push(Directive::Tools(parallel.take().unwrap_or_default())),
            ("par", Some(_)) | ("/par", None) => {
                return Err(raw.malformed("[[par]] and [[/par]] come in pairs"));
            }
            (_, Some(calls)) => match understand(raw)? {
                Directive::Tools(more) => calls.extend(more),
                _ => return Err(raw.malformed("only tool directives may stand between [[par]] and [[/par]]")),
            },
            (_, None) => directives.push(understand(raw)?),
        }
    }
    match parallel {
        None => Ok(directives),
        Some(_) => Err(Malformed::new("par", "the closing [[/par]] is missing")),
    }
}

fn understand(raw: Raw<'_>) -> Result<Directive, Malformed> {
    Ok(match raw.name {
        "say" => Directive::Say(raw.text("a text")?),
        "think" => Directive::Think(raw.text("a text")?),
        "history" => Directive::History,
        "stream" => stream(raw)?,
        "sleep" => Directive::Sleep(raw.milliseconds(raw.argument)?),
        "stall" => Directive::Stall(raw.milliseconds(raw.argument)?),
        "stop" => Directive::Stop(raw.text("a stop reason, such as max_tokens or refusal")?),
        "usage" => usage(raw)?,
        "hang" => Directive::Fault(Fault { kind: FaultKind::Hang, times: raw.times(raw.argument)? }),
        "cut" => Directive::Fault(Fault { kind: FaultKind::Cut, times: raw.times(raw.argument)? }),
        "error" => Directive::Fault(error(raw)?),
        "midstream" => Directive::Fault(midstream(raw)?),
        _ => Directive::Tools(vec![tool_call(raw)?]),
    })
}

fn tool_call(raw: Raw<'_>) -> Result<ToolCall, Malformed> {
    Ok(match raw.name {
        "write" => {
            let (path, content) = raw.two("a path and a content").unwrap_or((raw.argument, ""));
            if path.is_empty() {
                return Err(raw.malformed("it needs a path and a content"));
            }
            ToolCall::Write { path: path.to_owned(), content: newlines(content) }
        }
        "edit" => edit(raw)?,
        "read" => ToolCall::Read { path: raw.text("a path")? },
        "bash" => ToolCall::Bash { command: raw.text("a command")?, background: false },
        "bashbg" => ToolCall::Bash { command: raw.text("a command")?, background: true },
        "agent" => ToolCall::Agent { prompt: raw.text("a prompt")?.replace("{{", "[[").replace("}}", "]]") },
        "ask" => ask(raw)?,
        "tool" => named(raw)?,
        _ => return Err(raw.malformed(format!("there is no such directive. Allowed are: {ALLOWED}"))),
    })
}

fn stream(raw: Raw<'_>) -> Result<Directive, Malformed> {
    let (count, gap) = raw.argument.split_once(char::is_whitespace).unwrap_or((raw.argument, "0"));
    match count.trim().parse() {
        Ok(count) if (1..=MAX_STREAM).contains(&count) => {
            Ok(Directive::Stream { count, gap: raw.milliseconds(gap)? })
        }
        _ => Err(raw.malformed(format!("it needs a number of deltas from 1 to {MAX_STREAM}"))),
    }
}

fn usage(raw: Raw<'_>) -> Result<Directive, Malformed> {
    let (input, output) = raw.two("the input tokens and the output tokens")?;
    match (input.parse(), output.trim().parse()) {
        (Ok(input), Ok(output)) => Ok(Directive::Usage { input, output }),
        _ => Err(raw.malformed("it needs two whole numbers")),
    }
}

fn error(raw: Raw<'_>) -> Result<Fault, Malformed> {
    const FORM: &str = "its form is [[error STATUS TIMES retry-after=SECONDS]] with a STATUS from 400 to 599";
    let mut words = raw.argument.split_whitespace();
    let status =
        words.next().and_then(|word| word.parse().ok()).filter(|status| (400..=599).contains(status));
    let mut fault = Fault {
        kind: FaultKind::Http { status: status.ok_or_else(|| raw.malformed(FORM))?, retry_after: None },
        times: None,
    };
    for word in words {
        match (word.strip_prefix("retry-after="), &mut fault.kind) {
            (Some(seconds), FaultKind::Http { retry_after, .. }) => {
                *retry_after = Some(seconds.parse().map_err(|_| raw.malformed(FORM))?);
            }
            _ => fault.times = Some(word.parse().map_err(|_| raw.malformed(FORM))?),
        }
    }
    Ok(fault)
}

fn midstream(raw: Raw<'_>) -> Result<Fault, Malformed> {
    let (error_type, times) = raw.argument.split_once(char::is_whitespace).unwrap_or((raw.argument, ""));
    if error_type.is_empty() {
        return Err(raw.malformed("it needs an error type, such as overloaded_error"));
    }
    let kind = FaultKind::ErrorEvent { error_type: error_type.to_owned() };
    Ok(Fault { kind, times: raw.times(times)? })
}

fn edit(raw: Raw<'_>) -> Result<ToolCall, Malformed> {
    let (path, change) = raw.two("a path and OLD=>NEW")?;
    let (old, new) = change.split_once("=>").ok_or_else(|| raw.malformed("OLD=>NEW is missing"))?;
    Ok(ToolCall::Edit { path: path.to_owned(), old: newlines(old), new: newlines(new) })
}

fn ask(raw: Raw<'_>) -> Result<ToolCall, Malformed> {
    let mut parts = raw.argument.split('|').map(|part| part.trim().to_owned());
    let question = parts.next().unwrap_or_default();
    let labels: Vec<String> = parts.filter(|label| !label.is_empty()).collect();
    if question.is_empty() || labels.len() < 2 {
        return Err(raw.malformed("its form is [[ask QUESTION|LABEL1|LABEL2]]"));
    }
    Ok(ToolCall::Ask { question, labels })
}

fn named(raw: Raw<'_>) -> Result<ToolCall, Malformed> {
    let (name, json) = raw.argument.split_once(char::is_whitespace).unwrap_or((raw.argument, "{}"));
    if name.is_empty() {
        return Err(raw.malformed("its form is [[tool NAME {JSON}]]"));
    }
    let input = match serde_json::from_str(json) {
        Ok(value) => ToolInput::Json(value),
        Err(_) => ToolInput::Broken(json.to_owned()),
    };
    Ok(ToolCall::Named { name: name.to_owned(), input })
}

fn newlines(text: &str) -> String {
    text.replace("\\n", "\n")
}

impl<'a> Raw<'a> {
    fn malformed(&self, reason: impl Into<String>) -> Malformed {
        let mut directive: String = self.name.chars().take(40).collect();
        if !self.argument.is_empty() {
            directive.push(' ');
            directive.extend(self.argument.chars().take(60));
        }
        Malformed::new(directive, reason)
    }

    fn text(&self, what: &str) -> Result<String, Malformed> {
        match self.argument.trim_end() {
            "" => Err(self.malformed(format!("it needs {what}"))),
            text => Ok(text.to_owned()),
        }
    }

    fn two(&self, what: &str) -> Result<(&'a str, &'a str), Malformed> {
        self.argument
            .split_once(char::is_whitespace)
            .ok_or_else(|| self.malformed(format!("it needs {what}")))
    }

    fn milliseconds(&self, text: &str) -> Result<Duration, Malformed> {
        match text.trim().parse() {
            Ok(number) if number <= MAX_MILLISECONDS => Ok(Duration::from_millis(number)),
            _ => Err(self.malformed(format!("it needs milliseconds from 0 to {MAX_MILLISECONDS}"))),
        }
    }

    fn times(&self, text: &str) -> Result<Option<u32>, Malformed> {
        match text.trim() {
            "" => Ok(None),
            number => match number.parse() {
                Ok(times) => Ok(Some(times)),
                Err(_) => Err(self.malformed("how many times must be a whole number")),
            },
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;

//! The language of `.env` files: `NAME=value`, a line each, unless a value in quotes has more.

use std::borrow::Cow;

/// What is wrong with a statement, after the number of its line. Nothing of the statement is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("is not NAME=value: write it so, or put # before it")]
    Unknown,
    #[error("opens a quote that is not closed: close it, or put a backslash before each quote within it")]
    Open,
    #[error("goes on after the closing quote: put quotes around the whole value")]
    After,
}

/// A name and its value; `None` for a comment, and for a name without a value.
type Statement<'a> = Option<(&'a str, Cow<'a, str>)>;

/// A text's statements, each with the number of its line. After one that is wrong, the next line begins another.
pub(super) struct Statements<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Statements<'a> {
    /// Of a text whose lines end with line feeds.
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    fn move_to(&mut self, rest: &'a str) {
        let passed = self.rest.strip_suffix(rest).unwrap_or_default();
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }
}

impl<'a> Iterator for Statements<'a> {
    type Item = (usize, Result<Statement<'a>, Wrong>);

    fn next(&mut self) -> Option<Self::Item> {
        self.move_to(self.rest.trim_start());
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let (statement, rest) = match statement(self.rest) {
            Ok((statement, rest)) => (Ok(statement), rest),
            Err((wrong, at)) => (Err(wrong), line_of(at).1),
        };
        self.move_to(rest);
        Some((line, statement))
    }
}

/// The first statement of a text, and what follows it; or what is wrong with it, and where.
fn statement(text: &str) -> Result<(Statement<'_>, &str), (Wrong, &str)> {
    let unknown = (Wrong::Unknown, text);
    if text.starts_with('#') {
        return Ok((None, line_of(text).1));
    }
    let (name, rest) = name(exported(text)).ok_or(unknown)?;
    let Some(rest) = without_blanks(rest).strip_prefix('=') else {
        return Ok((None, end(rest).ok_or(unknown)?));
    };
    let value = without_blanks(rest);
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let (value, rest) = quoted(value, quote).ok_or((Wrong::Open, text))?;
            (value, end(rest).ok_or((Wrong::After, rest))?)
        }
        _ => {
            let (line, rest) = line_of(rest);
            (Cow::Borrowed(without_comment(line).trim()), rest)
        }
    };
    Ok((Some((name, value)), rest))
}

/// The first line, and the others.
fn line_of(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

fn without_blanks(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n')
}

/// Without the word that makes a shell hand a variable on.
fn exported(text: &str) -> &str {
    let rest = text.strip_prefix("export").unwrap_or_default();
    let name = without_blanks(rest);
    if name.len() < rest.len() { name } else { text }
}

/// A name, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let found = match text.strip_prefix('\'') {
        Some(rest) => rest.split_once('\''),
        None => {
            let end = text.find(|c: char| matches!(c, '=' | '#') || c.is_whitespace());
            text.split_at_checked(end.unwrap_or(text.len()))
        }
    };
    found.filter(|(name, _)| !name.is_empty())
}

/// What follows the line, if that has nothing more to say.
fn end(text: &str) -> Option<&str> {
    let (line, rest) = line_of(without_blanks(text));
    (line.is_empty() || line.starts_with('#')).then_some(rest)
}

/// A line up to the first # that follows a blank.
fn without_comment(line: &str) -> &str {
    let mut comments = line.match_indices('#').filter_map(|(place, _)| line.split_at_checked(place));
    comments.find(|(before, _)| before.ends_with(char::is_whitespace)).map_or(line, |(before, _)| before)
}

/// The text between two quotes, and what follows the second one.
fn quoted(text: &str, quote: char) -> Option<(Cow<'_, str>, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix(quote)?.chars();
    loop {
        match rest.next()? {
            c if c == quote => return Some((value.into(), rest.as_str())),
            '\\' => {
                let next = rest.next()?;
                match escaped(next, quote) {
                    Some(meant) => value.push(meant),
                    None => value.extend(['\\', next]),
                }
            }
            c => value.push(c),
        }
    }
}

/// What a character means after a backslash.
fn escaped(c: char, quote: char) -> Option<char> {
    match (c, quote) {
        ('\\' | '\'', _) | ('"', '"') => Some(c),
        ('a', '"') => Some('\u{7}'),
        ('b', '"') => Some('\u{8}'),
        ('f', '"') => Some('\u{c}'),
        ('n', '"') => Some('\n'),
        ('r', '"') => Some('\r'),
        ('t', '"') => Some('\t'),
        ('v', '"') => Some('\u{b}'),
        _ => None,
    }
}

/// A value with what `${NAME}` and `${NAME:-default}` stand for; nothing else that begins with $ stands for something.
pub(super) fn expanded(text: &str, named: impl Fn(&str) -> Option<String>) -> String {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        whole.push_str(before);
        let found = after.split_once('}').and_then(|(inside, later)| Some((reference(inside)?, later)));
        rest = match found {
            Some(((name, default), later)) => {
                whole.push_str(&named(name).unwrap_or_else(|| default.to_owned()));
                later
            }
            None => {
                whole.push_str("${");
                after
            }
        };
    }
    whole.push_str(rest);
    whole
}

/// A name, and what holds without it.
fn reference(inside: &str) -> Option<(&str, &str)> {
    match inside.split_once(':') {
        None => Some((inside, "")),
        Some((name, rest)) => Some((name, rest.strip_prefix('-')?)),
    }
}

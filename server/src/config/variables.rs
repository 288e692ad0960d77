//! Reads single variables and gathers their faults.

use super::layers::{Layers, Origin};
use super::reference::{self, Kind};

/// What is wrong, a line each.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    pub(super) fn add(&mut self, fault: String) {
        self.0.push(fault);
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Vec<String>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// A JSON list or a comma-separated one.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    match text.trim_start().chars().next() {
        Some('[') => serde_json::from_str(text).ok().or_else(|| unquoted(text)),
        // JSON, and no list.
        Some('{' | '"') => None,
        _ => Some(words(text)),
    }
}

/// What stands between commas. Within parentheses, a comma is part of a tool's rule.
fn words(text: &str) -> Vec<String> {
    let mut depth = 0_u32;
    let words = text.split(|c: char| {
        depth = match c {
            '(' => depth.saturating_add(1),
            ')' => depth.saturating_sub(1),
            _ => depth,
        };
        c == ',' && depth == 0
    });
    words.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// What a line of `.env` leaves of a JSON list that is not quoted as a whole: a shell would take its quotes away, too.
fn unquoted(text: &str) -> Option<Vec<String>> {
    let words = words(text.trim().strip_prefix('[')?.strip_suffix(']')?);
    let is_whole = |word: &String| word.matches('(').count() == word.matches(')').count();
    let is_name = |word: &String| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && !word.contains(['"', '[', '{'])
            && is_whole(word)
    };
    words.iter().all(is_name).then_some(words)
}

/// Text without what a URL says before its host, which may be a password.
pub(crate) fn without_password(text: &str) -> String {
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (_, host))) => format!("{scheme}://***@{host}"),
        None => text.to_owned(),
    }
}

pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) faults: &'a mut Faults,
}

impl<'a> Reader<'a> {
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.layers.get(name).map(|setting| setting.text.trim()).filter(|value| !value.is_empty())
    }

    /// Adds a fault of a variable that is set: its name, its value unless that is a secret, where it is from, and what
    /// is wrong.
    pub(super) fn refuse(&mut self, name: &str, wrong: &str) {
        let is_secret = reference::find(name).is_none_or(|variable| variable.is_secret);
        let value = self.text(name).filter(|_| !is_secret);
        let value = value.map(|value| format!("={:?}", without_password(value))).unwrap_or_default();
        self.faults.add(format!("{name}{value}{}: {wrong}", self.origin(name)));
    }

    /// Where a value is from, in brackets; nothing for the environment.
    pub(super) fn origin(&self, name: &str) -> String {
        match self.layers.get(name).map(|setting| &setting.origin) {
            None | Some(Origin::Environment) => String::new(),
            Some(origin) => format!(" ({origin})"),
        }
    }

    pub(super) fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = parse(self.text(name)?);
        if value.is_none() {
            let allowed = reference::find(name).map(reference::Variable::allowed).unwrap_or_default();
            self.refuse(name, &format!("must be {allowed}"));
        }
        value
    }

    pub(super) fn value<T>(&mut self, name: &str, default: T, parse: impl FnOnce(&str) -> Option<T>) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// A number within the range that the table gives.
    pub(super) fn count<T: TryFrom<u64>>(&mut self, name: &str, default: T) -> T {
        self.optional_count(name).unwrap_or(default)
    }

    /// The same, where there may be none.
    pub(super) fn optional_count<T: TryFrom<u64>>(&mut self, name: &str) -> Option<T> {
        let range = match reference::find(name).map(|variable| variable.kind) {
            Some(Kind::Count { min, max, .. }) => Some(min..=max),
            _ => None,
        };
        self.optional(name, |text| {
            let number =
                text.parse().ok().filter(|number| range.is_some_and(|range| range.contains(number)))?;
            T::try_from(number).ok()
        })
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        self.value(name, default, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        })
    }
}

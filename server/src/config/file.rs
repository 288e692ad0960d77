//! The configuration file: TOML, whose sections and keys are the variables' names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layers::{Layer, Origin, Setting};
use super::names::nearest;
use super::reference::{self, Kind, Separator, Variable};

/// What the file says. `named_by` tells who named it.
pub(super) fn read(path: &str, named_by: &str) -> Layer {
    match std::fs::read_to_string(Path::new(path)) {
        Ok(text) => parse(path, &text),
        Err(error) => {
            let fault = format!(
                "{path} cannot be read ({error}): correct {named_by}, or make it a file that the server may read"
            );
            Layer { faults: vec![fault], is_incomplete: true, ..Layer::default() }
        }
    }
}

fn parse(path: &str, text: &str) -> Layer {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What broken lines were taken for is worth no further complaint.
        return Layer { faults: syntax_faults(path, text, &errors), is_incomplete: true, ..Layer::default() };
    }
    let mut found = File { path, text, layer: Layer::default() };
    for (name, value) in root.get_ref() {
        found.section(name.get_ref(), value);
    }
    found.layer
}

/// A line each. What follows from a fault on the same line is left out.
fn syntax_faults(path: &str, text: &str, errors: &[toml::de::Error]) -> Vec<String> {
    let mut faults = BTreeMap::new();
    for error in errors {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        faults.entry(line).or_insert_with(|| {
            let reason = error.message().lines().collect::<Vec<_>>().join(", ");
            format!("{path} line {line} is not TOML ({reason}): write key = value, text in quotes")
        });
    }
    faults.into_values().collect()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct File<'a> {
    path: &'a str,
    text: &'a str,
    layer: Layer,
}

impl File<'_> {
    fn fault(&mut self, line: usize, wrong: &str) {
        self.layer.faults.push(format!("{} line {line}: {wrong}", self.path));
    }

    fn section(&mut self, name: &str, value: &Spanned<DeValue<'_>>) {
        let known: BTreeSet<_> = places().map(|(section, _, _)| section).collect();
        let is_known = known.contains(name);
        let line = line_of(self.text, value.span().start);
        // A quoted name may hold anything, and a fault is one line.
        let shown = name.escape_debug();
        match value.get_ref() {
            DeValue::Table(entries) if is_known => {
                entries.iter().for_each(|(key, value)| self.entry(name, key, value));
            }
            DeValue::Table(_) => {
                let remedy = match nearest(name, known.iter()) {
                    Some(meant) => format!("did you mean [{meant}]?"),
                    None => format!("there are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
                };
                self.fault(line, &format!("section [{shown}] is not known: {remedy}"));
            }
            _ if is_known => self.fault(line, &format!("{shown} is a section: write [{shown}]")),
            _ => self.fault(line, &format!("{shown} is in no section: put it below [section]")),
        }
    }

    fn entry(&mut self, section: &str, key: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let line = line_of(self.text, key.span().start);
        let key = key.get_ref();
        let place = format!("{section}.{}", key.escape_debug());
        let mut keys = places().filter(|(in_section, _, _)| in_section == section);
        let Some((_, _, variable)) = keys.find(|(_, known, _)| known == key) else {
            let keys = places().filter(|(in_section, _, _)| in_section == section).map(|(_, key, _)| key);
            let remedy = match nearest(key, keys) {
                Some(meant) => format!("did you mean {section}.{meant}?"),
                None => "see `claude-code-server config reference`".to_owned(),
            };
            return self.fault(line, &format!("{place} is not known: {remedy}"));
        };
        match text_of(variable.kind, value.get_ref()) {
            Ok(text) => {
                let origin = Origin::File { path: self.path.to_owned(), key: place };
                self.layer.settings.insert(variable.name, Setting { text, origin });
            }
            Err(wanted) => {
                self.layer.unreadable.insert(variable.name);
                self.fault(line, &format!("{place} must be {wanted}"));
            }
        }
    }
}

/// Section and key of every variable that may be in the file.
fn places() -> impl Iterator<Item = (String, String, &'static Variable)> {
    reference::all().filter_map(|variable| {
        let (section, key) = variable.place()?;
        Some((section, key, variable))
    })
}

/// A value as a variable has it; or what it has to be.
fn text_of(kind: Kind, value: &DeValue<'_>) -> Result<String, &'static str> {
    match (kind, value) {
        (Kind::Flag, DeValue::Boolean(value)) => Ok(value.to_string()),
        (Kind::Flag, _) => Err("true or false, without quotes"),
        (Kind::Count { .. } | Kind::Number(_), DeValue::Integer(value)) => {
            let number = i128::from_str_radix(value.as_str(), value.radix());
            number.map(|number| number.to_string()).map_err(|_| "a smaller whole number")
        }
        (Kind::Number(_), DeValue::Float(value)) => Ok(value.as_str().to_owned()),
        (Kind::Number(_), DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Number(_), _) => Err("a number"),
        (Kind::Count { .. }, _) => Err("a whole number, without quotes"),
        (Kind::Choice(_) | Kind::Text(_), DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Choice(_) | Kind::Text(_), _) => Err("text in quotes"),
        (Kind::List(_, separator), DeValue::Array(items)) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            join(separator, &texts.ok_or(LIST)?)
        }
        (Kind::List(..), _) => Err(LIST),
    }
}

const LIST: &str = "a list of texts in quotes, such as [\"a\", \"b\"]";

fn join(separator: Separator, texts: &[&str]) -> Result<String, &'static str> {
    match separator {
        // JSON, since a text may hold commas.
        Separator::Comma => serde_json::to_string(texts).map_err(|_| LIST),
        Separator::Colon if texts.iter().any(|text| text.contains(':')) => {
            Err("a list of texts without colons")
        }
        Separator::Colon => Ok(texts.join(":")),
    }
}

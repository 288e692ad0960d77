//! Reads fields of a JSON object, and gathers what is wrong with them. A field that is null counts as left out.

use std::ops::RangeInclusive;

use api::Fault;
use serde_json::{Map, Value};

/// An object's fields, and the faults found so far.
pub(super) struct Fields<'a, 'f> {
    path: &'static str,
    object: &'a Map<String, Value>,
    faults: &'f mut Vec<Fault>,
}

impl<'a, 'f> Fields<'a, 'f> {
    /// The fields of the object at that JSON pointer.
    pub(super) fn new(
        path: &'static str,
        object: &'a Map<String, Value>,
        faults: &'f mut Vec<Fault>,
    ) -> Self {
        Self { path, object, faults }
    }

    /// Says what is wrong with a field.
    pub(super) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(Fault { pointer: format!("{}/{name}", self.path), detail: detail.into() });
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            _ => {
                self.fault(name, "must be a text");
                None
            }
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> Option<String> {
        if !self.has(name) {
            self.fault(name, "is required");
            return None;
        }
        let text = self.text(name)?;
        if text.trim().is_empty() {
            self.fault(name, "must not be empty");
        }
        Some(text)
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Some(*flag),
            _ => {
                self.fault(name, "must be true or false");
                None
            }
        }
    }

    /// A whole number in a range, as the type that the range fits.
    pub(super) fn whole<T: TryFrom<i64>>(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<T> {
        let value = self.get(name)?;
        let (least, most) = (*range.start(), *range.end());
        // Some clients write whole seconds as 60.0.
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the range")]
        let whole = value.as_i64().or_else(|| {
            let number = value.as_f64()?;
            let fits = number.fract() == 0.0 && number >= least as f64 && number <= most as f64;
            fits.then_some(number as i64)
        });
        let number =
            whole.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        if number.is_none() {
            self.fault(name, format!("must be a whole number from {least} to {most}"));
        }
        number
    }

    /// A number above 0.
    pub(super) fn positive(&mut self, name: &str) -> Option<f64> {
        let number = self.get(name)?.as_f64().filter(|number| number.is_finite() && *number > 0.0);
        if number.is_none() {
            self.fault(name, "must be a number above 0");
        }
        number
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let allowed: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.fault(name, format!("must be one of {}", allowed.join(", ")));
        }
        found
    }

    /// A list.
    pub(super) fn list(&mut self, name: &str, of: &str) -> Option<&'a [Value]> {
        match self.get(name)? {
            Value::Array(items) => Some(items),
            _ => {
                self.fault(name, format!("must be a list of {of}"));
                None
            }
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        match self.get(name)? {
            Value::Object(object) => Some(object),
            _ => {
                self.fault(name, "must be an object");
                None
            }
        }
    }
}

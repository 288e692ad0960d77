//! Labels: what callers file their tasks under, to find them again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most labels of a task.
pub const MAX_LABELS: usize = 32;
/// Longest key of a label, in bytes.
pub const MAX_LABEL_KEY: usize = 63;
/// Longest value of a label, in bytes.
pub const MAX_LABEL_VALUE: usize = 256;

/// Why something is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The key does not fit.
    #[error(
        "a label's key is made of 1 to {MAX_LABEL_KEY} letters, digits and . _ / - and starts with a letter or digit"
    )]
    Key,
    /// The value does not fit.
    #[error("a label's value is a text of at most {MAX_LABEL_VALUE} bytes without control characters")]
    Value,
    /// There are too many.
    #[error("a task has at most {MAX_LABELS} labels")]
    TooMany,
}

/// Labels by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = std::collections::HashMap<String, String>)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Adds a label, or replaces the one with that key.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), LabelError> {
        check_key(key)?;
        check_value(value)?;
        if self.0.len() >= MAX_LABELS && !self.0.contains_key(key) {
            return Err(LabelError::TooMany);
        }
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A label that is looked for: `key`, or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFilter {
    /// Its key.
    pub key: String,
    /// Its value; `None` for any.
    pub value: Option<String>,
}

impl LabelFilter {
    /// Reads one.
    ///
    /// # Errors
    /// When there can be no such label.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        check_key(key)?;
        value.map_or(Ok(()), check_value)?;
        Ok(Self { key: key.to_owned(), value: value.map(str::to_owned) })
    }

    /// Whether it is one of these.
    pub fn admits(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.key);
        found.is_some_and(|found| self.value.as_deref().is_none_or(|value| value == found))
    }
}

fn check_key(key: &str) -> Result<(), LabelError> {
    let starts = key.starts_with(|first: char| first.is_ascii_alphanumeric());
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    if starts && key.len() <= MAX_LABEL_KEY && key.chars().all(allowed) {
        Ok(())
    } else {
        Err(LabelError::Key)
    }
}

fn check_value(value: &str) -> Result<(), LabelError> {
    let fits = value.len() <= MAX_LABEL_VALUE && !value.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(LabelError::Value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_checked_and_bounded() {
        let mut labels = Labels::default();
        for number in 0..MAX_LABELS {
            labels.set(&format!("k{number}"), "v").expect("fits");
        }
        assert_eq!(labels.set("one-more", "v"), Err(LabelError::TooMany));
        assert_eq!(labels.set("k0", "other"), Ok(()), "that replaces one");
        assert_eq!(labels.get("k0"), Some("other"));
        for key in ["", "-a", "a b", "a=b", "a:b", "ä", &"x".repeat(64)] {
            assert_eq!(Labels::default().set(key, "v"), Err(LabelError::Key), "{key:?}");
        }
        for value in ["a\nb", "\u{7f}", &"x".repeat(257)] {
            assert_eq!(Labels::default().set("k", value), Err(LabelError::Value), "{value:?}");
        }
    }

    #[test]
    fn a_label_is_found_by_key_or_by_both() {
        let mut labels = Labels::default();
        labels.set("team/name", "a=b").expect("fits");
        let finds = |text: &str| LabelFilter::parse(text).map(|filter| filter.admits(&labels));
        assert_eq!(finds("team/name"), Ok(true));
        assert_eq!(finds("team/name=a=b"), Ok(true));
        assert_eq!(
            (finds("team/name=a"), finds("team/name="), finds("team")),
            (Ok(false), Ok(false), Ok(false))
        );
        assert_eq!(finds("=a"), Err(LabelError::Key));
    }
}

//! What an operator says of a server, for tasks to choose by.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest label, in bytes.
pub const MAX_INSTANCE_LABEL: usize = 63;
/// Most labels of a server, and most that a task asks for.
pub const MAX_INSTANCE_LABELS: usize = 16;

/// Why a text is no label of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server's label is 1 to {MAX_INSTANCE_LABEL} letters, digits and . _ - / = such as gpu or zone=a")]
pub struct InstanceLabelError;

/// A label of a server, such as `gpu` or `zone=a`. Only whole labels are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 63, pattern = "^[A-Za-z0-9._/=-]+$", example = "zone=a")]
pub struct InstanceLabel(String);

impl InstanceLabel {
    /// The label with that text.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn parse(text: &str) -> Result<Self, InstanceLabelError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/=".contains(&byte);
        let fits = (1..=MAX_INSTANCE_LABEL).contains(&text.len()) && text.bytes().all(is_allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(InstanceLabelError) }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceLabel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for InstanceLabel {
    type Error = InstanceLabelError;

    fn try_from(text: String) -> Result<Self, InstanceLabelError> {
        Self::parse(&text)
    }
}

impl From<InstanceLabel> for String {
    fn from(label: InstanceLabel) -> Self {
        label.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_words() {
        let long = "x".repeat(MAX_INSTANCE_LABEL);
        for text in ["gpu", "zone=a", "team/a.b_c-d", &long] {
            assert_eq!(InstanceLabel::parse(text).map(String::from), Ok(text.to_owned()));
        }
        for text in ["", "a b", "a,b", "\u{e4}", "a\n", &format!("{long}x")] {
            assert_eq!(InstanceLabel::parse(text), Err(InstanceLabelError), "{text:?}");
        }
    }
}

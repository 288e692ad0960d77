//! Names of things. A newtype each, so that one id is never taken for another.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest task id, in bytes.
pub const MAX_ID_LENGTH: usize = 128;
/// What the name of a session that is named after its task begins with.
const SESSION_PREFIX: &str = "session-";

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("an id must not be empty")]
    Empty,
    /// Longer than `most`.
    #[error("an id has at most {most} characters, this one has {length}")]
    TooLong {
        /// Most characters.
        most: usize,
        /// Its characters.
        length: usize,
    },
    /// Something else than letters, digits and `. _ : -`, or a first character that is not a letter or digit.
    #[error("an id is made of letters, digits and . _ : - and starts with a letter or digit")]
    Character,
}

fn check(text: &str, most: usize) -> Result<(), IdError> {
    if text.len() > most {
        return Err(IdError::TooLong { most, length: text.chars().count() });
    }
    let first = text.bytes().next().ok_or(IdError::Empty)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
    if first.is_ascii_alphanumeric() && text.bytes().all(allowed) { Ok(()) } else { Err(IdError::Character) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $most:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        #[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]*$", min_length = 1)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a caller's text.
            ///
            /// # Errors
            /// When it is empty, too long, or has a character that does not belong in a URL path segment.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $most).map(|()| Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(D::Error::custom)
            }
        }
    };
}

text_id! {
    /// Names one admitted request for work. Chosen by the client, or made by the server.
    TaskId, MAX_ID_LENGTH
}
text_id! {
    /// Names one conversation with one workspace.
    SessionId, MAX_ID_LENGTH + SESSION_PREFIX.len()
}

text_id! {
    /// Names who calls: the owner of tasks and sessions, and of a folder in which their agents keep conversations.
    Principal, MAX_ID_LENGTH
}

impl Default for Principal {
    /// Everybody, where callers are not told apart.
    fn default() -> Self {
        Self("default".into())
    }
}

impl TaskId {
    /// A new id, ordered by time (UUID version 7).
    pub fn generate() -> Self {
        Self(format!("task-{}", Uuid::now_v7()).into())
    }
}

impl SessionId {
    /// The name of the session that a task without one gets: `session-<task id>`.
    pub fn for_task(task: &TaskId) -> Self {
        Self(format!("{SESSION_PREFIX}{task}").into())
    }
}

/// The CLI's own name of a conversation: what `--session-id` sets and `--resume` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConversationId(pub Uuid);

impl ConversationId {
    /// A fresh random id.
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number that fences a stale holder of a lease: every claim gets a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseToken(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_what_fits_in_a_url_path_segment() {
        assert_eq!(TaskId::parse("task-1737291000").map(|id| id.to_string()), Ok("task-1737291000".into()));
        assert_eq!(TaskId::parse(""), Err(IdError::Empty));
        assert_eq!(TaskId::parse(&"x".repeat(129)), Err(IdError::TooLong { most: 128, length: 129 }));
        for text in ["../etc", "a/b", "a b", "-rf", ".hidden", "ä", "a\n", "a\0"] {
            assert_eq!(TaskId::parse(text), Err(IdError::Character), "{text:?}");
        }
    }

    #[test]
    fn a_new_session_is_named_after_its_task() {
        let task = TaskId::parse("t1").expect("valid");
        assert_eq!(SessionId::for_task(&task).as_str(), "session-t1");
        let longest = SessionId::for_task(&TaskId::parse(&"x".repeat(128)).expect("valid"));
        assert_eq!(SessionId::parse(longest.as_str()), Ok(longest));
    }
}

//! What callers may do.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing that callers may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See tasks, their events and results.
    TasksRead,
    /// Submit, stop, answer and change tasks.
    TasksWrite,
    /// See sessions.
    SessionsRead,
    /// Make, fork and delete sessions.
    SessionsWrite,
    /// Everything, and with what belongs to others too.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TasksRead, Self::TasksWrite, Self::SessionsRead, Self::SessionsWrite, Self::Admin];

    /// Its word, as keys and tokens have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::SessionsRead => "sessions:read",
            Self::SessionsWrite => "sessions:write",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A word that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no scope: choose from tasks:read, tasks:write, tasks:*, sessions:read, sessions:write, sessions:*, admin"
)]
pub struct UnknownScope(pub String);

/// Any number of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// None: such a caller may do nothing.
    pub const NONE: Self = Self(0);

    /// These.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Whether they allow that; [`Scope::Admin`] allows everything.
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0).map(Scope::as_str)
    }

    /// Those of the words that are scopes: tokens carry other people's, too.
    pub fn known<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        words.filter_map(|word| word.parse::<Self>().ok()).fold(Self::NONE, Self::and)
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    /// A scope, or `tasks:*` and `sessions:*` for all that begin so.
    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        match word {
            "tasks:*" => Ok(Self::of(&[Scope::TasksRead, Scope::TasksWrite])),
            "sessions:*" => Ok(Self::of(&[Scope::SessionsRead, Scope::SessionsWrite])),
            _ => {
                let known = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
                known.map(|scope| Self::of(&[scope])).ok_or_else(|| UnknownScope(word.to_owned()))
            }
        }
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.words()).finish()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        words
            .iter()
            .try_fold(Self::NONE, |scopes, word| Ok(scopes.and(word.parse().map_err(D::Error::custom)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_allow_what_they_name_and_admin_everything() {
        let tasks: Scopes = "tasks:*".parse().expect("scopes");
        let allowed = |scopes: Scopes| Scope::ALL.map(|scope| scopes.allow(scope));
        assert_eq!(allowed(tasks), [true, true, false, false, false]);
        assert_eq!(allowed("sessions:read".parse().expect("a scope")), [false, false, true, false, false]);
        assert_eq!(allowed("admin".parse().expect("a scope")), [true; 5]);
        assert_eq!(allowed(Scopes::NONE), [false; 5]);
        assert_eq!("tasks".parse::<Scopes>(), Err(UnknownScope("tasks".into())));
    }

    #[test]
    fn scopes_are_read_and_written_as_words() {
        let scopes = Scopes::known("openid tasks:read  admin tasks:delete".split(' '));
        assert_eq!(scopes.to_string(), "tasks:read admin");
        let json = serde_json::to_string(&scopes).expect("JSON");
        assert_eq!(json, r#"["tasks:read","admin"]"#);
        assert_eq!(serde_json::from_str::<Scopes>(&json).ok(), Some(scopes));
        assert!(serde_json::from_str::<Scopes>(r#"["tasks:everything"]"#).is_err());
    }
}

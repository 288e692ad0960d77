//! API keys: `ccs_<id>_<secret>`. Only the digest of one is kept: the secret is 244 random bits, which nobody finds by trying,
//! so a slow digest would only cost time.

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::{Principal, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{Identity, Scopes};

const PREFIX: &str = "ccs_";

/// What a new key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// Whose tasks it works with.
    pub principal: Principal,
    /// What it allows.
    pub scopes: Scopes,
    /// Until when it can be used; `None` for ever.
    pub expires_at: Option<Timestamp>,
    /// How many requests a minute, when it has a number of its own.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many tasks of its principal may run at once.
    pub max_running: Option<NonZeroU32>,
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// The part of it that is not secret.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whose tasks it works with.
    pub principal: Principal,
    /// What it allows.
    pub scopes: Scopes,
    /// SHA-256 of the whole key, in hexadecimal.
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used; left out for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Since when it can no longer be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// How many requests a minute, when it has a number of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many tasks of its principal may run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<NonZeroU32>,
}

impl KeyRecord {
    /// Makes a key. The text of it is told this once.
    pub(crate) fn create(new: NewKey, now: Timestamp) -> (Self, SecretString) {
        let mut id = Uuid::new_v4().simple().to_string();
        id.truncate(12);
        let text = format!("{PREFIX}{id}_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let record = Self {
            id,
            name: new.name,
            principal: new.principal,
            scopes: new.scopes,
            digest: digest(text.as_bytes()),
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            requests_per_minute: new.requests_per_minute,
            max_running: new.max_running,
        };
        (record, text.into())
    }

    /// Whether it is that key. Takes as long whatever is shown.
    pub(crate) fn matches(&self, shown: &[u8]) -> bool {
        self.digest.as_bytes().ct_eq(digest(shown).as_bytes()).into()
    }

    /// Since or after when it cannot be used, if that has come.
    pub fn fault(&self, now: Timestamp) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            return Some("the API key was revoked");
        }
        self.expires_at.is_some_and(|expires_at| expires_at <= now).then_some("the API key has expired")
    }

    /// Who has it.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            name: Arc::from(format!("key:{}", self.id)),
            principal: self.principal.clone(),
            scopes: self.scopes,
            requests_per_minute: self.requests_per_minute,
            max_running: self.max_running,
        }
    }
}

/// The id in a key's text.
pub(crate) fn id_of(shown: &[u8]) -> Option<&str> {
    let rest = std::str::from_utf8(shown).ok()?.strip_prefix(PREFIX)?;
    rest.split_once('_').map(|(id, _)| id)
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key that is compared as a whole, in constant time.
pub(crate) fn digest_of_secret(text: &SecretString) -> [u8; 32] {
    Sha256::digest(text.expose_secret()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Scope;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn new_key(expires_at: Option<Timestamp>) -> NewKey {
        NewKey {
            name: "ci".into(),
            principal: Principal::parse("team-a").expect("a name"),
            scopes: Scopes::of(&[Scope::TasksRead]),
            expires_at,
            requests_per_minute: NonZeroU32::new(5),
            max_running: NonZeroU32::new(2),
        }
    }

    #[test]
    fn a_key_matches_only_itself_and_is_not_kept() {
        let (record, text) = KeyRecord::create(new_key(None), NOW);
        let text = text.expose_secret();
        assert_eq!(id_of(text.as_bytes()), Some(record.id.as_str()));
        let spaced = format!("{text} ");
        let shown = [text, "", spaced.as_str(), record.digest.as_str()];
        assert_eq!(shown.map(|shown| record.matches(shown.as_bytes())), [true, false, false, false]);
        let kept = serde_json::to_string(&record).expect("JSON");
        let secret = text.rsplit('_').next().expect("a secret");
        assert!(!kept.contains(secret) && secret.len() == 64, "{kept}");
        assert_eq!(serde_json::from_str::<KeyRecord>(&kept).ok(), Some(record));
    }

    #[test]
    fn a_key_has_its_time() {
        let later = NOW.after(Duration::from_secs(1));
        let (mut record, _) = KeyRecord::create(new_key(Some(later)), NOW);
        assert_eq!((record.fault(NOW), record.fault(later)), (None, Some("the API key has expired")));
        record.revoked_at = Some(NOW);
        assert_eq!(record.fault(NOW), Some("the API key was revoked"));
    }
}

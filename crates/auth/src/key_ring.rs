//! The keys as the server knows them. A key that is made or revoked counts from the next request on.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::sync::{PoisonError, RwLock};

use domain::Timestamp;

use crate::key::{self, KeyRecord};
use crate::{Identity, KeyFile, KeyFileError};

/// Tells one state of the file from another: it is replaced as a whole. `None` when there is none.
type Seen = Option<(u64, i64, i64, u64)>;

#[derive(Debug)]
struct Loaded {
    seen: Seen,
    keys: HashMap<String, KeyRecord>,
}

/// The keys of a file.
#[derive(Debug)]
pub struct KeyRing {
    file: KeyFile,
    loaded: RwLock<Loaded>,
    /// Keys that were revoked at other servers, which may have other files.
    revoked_elsewhere: RwLock<HashSet<String>>,
}

impl KeyRing {
    /// Reads a file's keys.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn open(file: KeyFile) -> Result<Self, KeyFileError> {
        let seen = look(&file);
        let keys = by_id(file.read()?);
        Ok(Self { file, loaded: RwLock::new(Loaded { seen, keys }), revoked_elsewhere: RwLock::default() })
    }

    /// Whether there is no key that could be used.
    pub fn is_empty(&self, now: Timestamp) -> bool {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.keys.values().all(|key| key.fault(now).is_some())
    }

    /// Who shows that key.
    ///
    /// # Errors
    /// Why it does not count.
    pub(crate) fn check(&self, shown: &[u8], now: Timestamp) -> Result<Identity, &'static str> {
        self.refresh();
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let key = key::id_of(shown).and_then(|id| loaded.keys.get(id));
        let key = key.filter(|key| key.matches(shown)).ok_or("the API key is wrong")?;
        if self.revoked_elsewhere.read().unwrap_or_else(PoisonError::into_inner).contains(&key.id) {
            return Err("the API key was revoked");
        }
        key.fault(now).map_or_else(|| Ok(key.identity()), Err)
    }

    /// The ids of the keys that the file says are revoked.
    pub fn revoked(&self) -> Vec<String> {
        self.refresh();
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let revoked = loaded.keys.values().filter(|key| key.revoked_at.is_some());
        revoked.map(|key| key.id.clone()).collect()
    }

    /// From now on these keys do not count, whatever the file says; those that were named before and are not, do again.
    pub fn set_revoked_elsewhere(&self, ids: impl IntoIterator<Item = String>) {
        *self.revoked_elsewhere.write().unwrap_or_else(PoisonError::into_inner) = ids.into_iter().collect();
    }

    /// Reads the file again if it is another one. What cannot be read changes nothing.
    fn refresh(&self) {
        let seen = look(&self.file);
        if self.loaded.read().unwrap_or_else(PoisonError::into_inner).seen == seen {
            return;
        }
        let read = self.file.read();
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.seen = seen;
        match read {
            Ok(keys) => loaded.keys = by_id(keys),
            Err(error) => tracing::error!(%error, "the API keys stay as they were"),
        }
    }
}

fn look(file: &KeyFile) -> Seen {
    let found = std::fs::metadata(file.path()).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
}

fn by_id(keys: Vec<KeyRecord>) -> HashMap<String, KeyRecord> {
    keys.into_iter().map(|key| (key.id.clone(), key)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use domain::Principal;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::{NewKey, Scope, Scopes};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn keys_count_from_the_next_request_on_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = KeyFile::new(folder.path().join("keys.json"));
        let ring = KeyRing::open(file.clone()).expect("opened");
        assert!(ring.is_empty(NOW));
        let new = NewKey {
            name: "ci".into(),
            principal: Principal::parse("team-a").expect("a name"),
            scopes: Scopes::of(&[Scope::TasksRead]),
            expires_at: None,
            requests_per_minute: None,
            max_running: None,
        };
        let (record, text) = file.create(new, NOW).expect("made");
        let shown = text.expose_secret().as_bytes();
        assert_eq!(ring.check(shown, NOW), Ok(record.identity()));
        assert!(!ring.is_empty(NOW));
        let foreign = format!("ccs_{}_{}", record.id, "0".repeat(64));
        for wrong in [foreign.as_bytes(), b"", b"ccs_", b"ccs__", b"\xff"] {
            assert_eq!(ring.check(wrong, NOW), Err("the API key is wrong"));
        }
        ring.set_revoked_elsewhere([record.id.clone()]);
        assert_eq!((ring.check(shown, NOW), ring.revoked()), (Err("the API key was revoked"), vec![]));
        ring.set_revoked_elsewhere([]);
        let whole = fs::read(file.path()).expect("read");
        fs::write(file.path(), "{").expect("written");
        assert_eq!(ring.check(shown, NOW), Ok(record.identity()));
        fs::write(file.path(), whole).expect("written");
        file.revoke("ci", NOW).expect("revoked");
        assert_eq!(ring.check(shown, NOW), Err("the API key was revoked"));
        assert!(ring.is_empty(NOW) && ring.revoked() == [record.id.clone()]);
        fs::remove_file(file.path()).expect("removed");
        assert_eq!(ring.check(shown, NOW), Err("the API key is wrong"));
    }
}

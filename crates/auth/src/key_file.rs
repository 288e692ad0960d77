//! The file that keys are kept in: JSON, replaced as a whole, one writer at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use domain::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::key::{KeyRecord, NewKey};

/// The form that this program reads and writes.
const VERSION: u32 = 1;
/// More than anybody has; whoever reads the file needs not hold everything that somebody put there.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    keys: Vec<KeyRecord>,
}

/// Why the keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be used.
    #[error("the keys in {} cannot be used: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It holds something else.
    #[error("{} is no file of keys: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is another key with that name.
    #[error("there is a key named {0:?} already: revoke that one first, or choose another name")]
    NameTaken(String),
    /// There is no such key.
    #[error("there is no key {0:?} that could be revoked: `keys list` shows them")]
    Unknown(String),
}

/// Where keys are kept.
#[derive(Debug, Clone)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// The file at that path, which does not have to be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All keys, oldest first; none when there is no file.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn read(&self) -> Result<Vec<KeyRecord>, KeyFileError> {
        let bytes = match fs::metadata(&self.0) {
            Ok(found) if found.len() > MOST_BYTES => return Err(self.content("it is too large")),
            Ok(_) => fs::read(&self.0).map_err(|error| self.io(error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(error)),
        };
        let content: Content =
            serde_json::from_slice(&bytes).map_err(|error| self.content(&error.to_string()))?;
        if content.version != VERSION {
            return Err(
                self.content(&format!("its version is {}, this program knows {VERSION}", content.version))
            );
        }
        Ok(content.keys)
    }

    /// Adds a key; gives its text, which nobody can tell again.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn create(&self, new: NewKey, now: Timestamp) -> Result<(KeyRecord, SecretString), KeyFileError> {
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        if keys.iter().any(|key| key.name == new.name && key.fault(now).is_none()) {
            return Err(KeyFileError::NameTaken(new.name));
        }
        let (record, text) = KeyRecord::create(new, now);
        keys.push(record.clone());
        self.write(keys)?;
        Ok((record, text))
    }

    /// Takes a key out of use, by its id or name.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn revoke(&self, id_or_name: &str, now: Timestamp) -> Result<KeyRecord, KeyFileError> {
        let _lock = self.lock()?;
        let mut keys = self.read()?;
        let usable = |key: &KeyRecord| key.revoked_at.is_none();
        let by_id = keys.iter().position(|key| usable(key) && key.id == id_or_name);
        let by_name = || keys.iter().rposition(|key| usable(key) && key.name == id_or_name);
        let place = by_id.or_else(by_name).and_then(|place| keys.get_mut(place));
        let key = place.ok_or_else(|| KeyFileError::Unknown(id_or_name.to_owned()))?;
        key.revoked_at = Some(now);
        let key = key.clone();
        self.write(keys)?;
        Ok(key)
    }

    /// Held while the file is changed. The lock's file stays.
    fn lock(&self) -> Result<File, KeyFileError> {
        let path = self.beside(".lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).and_then(|file| {
            self.give_to_owner(&file);
            file.lock().map(|()| file)
        });
        lock.map_err(|error| KeyFileError::Io { path, error })
    }

    /// Puts a whole new file in the place of the old one: whoever reads sees one or the other.
    fn write(&self, keys: Vec<KeyRecord>) -> Result<(), KeyFileError> {
        let content = Content { version: VERSION, keys };
        let bytes = serde_json::to_vec_pretty(&content).map_err(|error| self.content(&error.to_string()))?;
        let new = self.beside(".new");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&bytes)?;
            self.give_to_owner(&file);
            file.sync_all()?;
            fs::rename(&new, &self.0)?;
            File::open(self.folder())?.sync_all()
        };
        write().map_err(|error| self.io(error))
    }

    fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// An administrator makes keys for a server that runs as somebody else, who has to be able to read them. Who is no
    /// administrator cannot give files away, and does not need to.
    fn give_to_owner(&self, file: &File) {
        if let Ok(folder) = fs::metadata(self.folder()) {
            drop(fchown(file, Some(folder.uid()), Some(folder.gid())));
        }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    fn io(&self, error: std::io::Error) -> KeyFileError {
        KeyFileError::Io { path: self.0.clone(), error }
    }

    fn content(&self, reason: &str) -> KeyFileError {
        KeyFileError::Content { path: self.0.clone(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use domain::Principal;

    use super::*;
    use crate::Scopes;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn new_key(name: &str) -> NewKey {
        NewKey {
            name: name.into(),
            principal: Principal::default(),
            scopes: Scopes::NONE,
            expires_at: None,
            requests_per_minute: None,
            max_running: None,
        }
    }

    #[test]
    fn keys_are_made_listed_and_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = KeyFile::new(folder.path().join("keys.json"));
        assert_eq!(file.read().expect("no keys"), []);
        let (first, _) = file.create(new_key("ci"), NOW).expect("made");
        let (second, _) = file.create(new_key("bot"), NOW).expect("made");
        assert!(
            matches!(file.create(new_key("ci"), NOW), Err(KeyFileError::NameTaken(name)) if name == "ci")
        );
        let revoked = file.revoke(&first.id, NOW).expect("revoked");
        assert_eq!(revoked, KeyRecord { revoked_at: Some(NOW), ..first });
        assert!(matches!(file.revoke("ci", NOW), Err(KeyFileError::Unknown(_))), "it was revoked already");
        let (third, _) = file.create(new_key("ci"), NOW).expect("the name is free again");
        assert_eq!(file.read().expect("keys"), [revoked, second, third]);
        let mode = fs::metadata(file.path()).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_file_of_keys_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = KeyFile::new(folder.path().join("keys.json"));
        for content in ["{", r#"{"version":2,"keys":[]}"#, "[]"] {
            fs::write(file.path(), content).expect("written");
            assert!(
                matches!(file.create(new_key("ci"), NOW), Err(KeyFileError::Content { .. })),
                "{content}"
            );
            assert_eq!(fs::read_to_string(file.path()).expect("read"), content);
        }
    }
}

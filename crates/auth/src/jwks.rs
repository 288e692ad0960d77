//! The public keys that tokens are checked with: a JSON Web Key Set (RFC 7517) in a file or at a URL.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use secrecy::SecretString;
use tokio::sync::Mutex;

/// A set is asked for again after that long: keys are replaced.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// Anybody can send a token with a key that is not there: the issuer is asked no more often than that.
const ASK_EVERY: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const MOST_BYTES: usize = 1024 * 1024;

/// What tokens are signed with.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// A secret that the issuer has too: HS256.
    Secret(SecretString),
    /// A file with a set of public keys: RS256, ES256, EdDSA.
    File(PathBuf),
    /// A set of public keys at an `http://` or `https://` URL.
    Url(String),
}

#[derive(Debug, Default)]
struct Loaded {
    keys: Arc<Vec<Jwk>>,
    /// When the source was looked at last.
    at: Option<Instant>,
    /// Which state of the file it was.
    seen: Option<(u64, i64, i64, u64)>,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url { client: reqwest::Client, url: String },
}

/// A set of keys.
#[derive(Debug)]
pub(crate) struct Jwks {
    source: Source,
    loaded: RwLock<Loaded>,
    /// Held by who asks: the others wait for the answer.
    asking: Mutex<()>,
}

impl Jwks {
    /// The set in a file.
    ///
    /// # Errors
    /// When it cannot be read or has no key that can be used.
    pub(crate) fn of_file(path: PathBuf) -> Result<Self, String> {
        let seen = look(&path);
        let keys = Arc::new(read(&path)?);
        let loaded = Loaded { keys, at: None, seen };
        Ok(Self { source: Source::File(path), loaded: RwLock::new(loaded), asking: Mutex::default() })
    }

    /// The set at a URL, which is asked for when the first token comes.
    ///
    /// # Errors
    /// When there are no certificates to check the issuer's with.
    pub(crate) fn of_url(url: String) -> Result<Self, String> {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN);
        // An address that the operator has not named is not asked.
        let client = client.redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| format!("no client can be made for {url}: {error}"))?;
        let source = Source::Url { client, url };
        Ok(Self { source, loaded: RwLock::default(), asking: Mutex::default() })
    }

    /// The key that a token names, or the only one that fits. `Ok(None)` when there is none.
    ///
    /// # Errors
    /// When no set of keys could be had so far.
    pub(crate) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Option<Jwk>, String> {
        let (keys, at) = self.now();
        let found = choose(&keys, id, algorithm);
        let wanted = |found: &Option<Jwk>, at: Option<Instant>| {
            let age = at.map(|at| at.elapsed());
            age.is_none_or(|age| age >= FRESH_FOR || (found.is_none() && age >= ASK_EVERY))
        };
        match &self.source {
            Source::File(path) => {
                self.read_again(path);
                Ok(choose(&self.now().0, id, algorithm))
            }
            Source::Url { client, url } if wanted(&found, at) => {
                // Whose key is known waits for nobody's answer.
                let _asking = match (self.asking.try_lock(), found.is_some()) {
                    (Ok(asking), _) => asking,
                    (Err(_), true) => return Ok(found),
                    (Err(_), false) => self.asking.lock().await,
                };
                let (keys, at) = self.now();
                let found = choose(&keys, id, algorithm);
                if wanted(&found, at) {
                    // Before the answer: who leaves meanwhile must not have it asked for again and again.
                    self.loaded.write().unwrap_or_else(PoisonError::into_inner).at = Some(Instant::now());
                    self.put(fetch(client, url).await);
                }
                self.chosen(id, algorithm)
            }
            Source::Url { .. } => {
                if found.is_none() {
                    // Somebody may be asking for it in this moment.
                    drop(self.asking.lock().await);
                }
                self.chosen(id, algorithm)
            }
        }
    }

    fn chosen(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Option<Jwk>, String> {
        let (keys, _) = self.now();
        if keys.is_empty() {
            return Err("the issuer's keys cannot be had now".to_owned());
        }
        Ok(choose(&keys, id, algorithm))
    }

    fn now(&self) -> (Arc<Vec<Jwk>>, Option<Instant>) {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&loaded.keys), loaded.at)
    }

    /// What cannot be had changes nothing but the time of the next try.
    fn put(&self, keys: Result<Vec<Jwk>, String>) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.at = Some(Instant::now());
        match keys {
            Ok(keys) => loaded.keys = Arc::new(keys),
            Err(error) => tracing::error!(%error, "the keys of tokens stay as they were"),
        }
    }

    fn read_again(&self, path: &PathBuf) {
        let seen = look(path);
        if self.loaded.read().unwrap_or_else(PoisonError::into_inner).seen != seen {
            self.put(read(path));
            self.loaded.write().unwrap_or_else(PoisonError::into_inner).seen = seen;
        }
    }
}

fn look(path: &PathBuf) -> Option<(u64, i64, i64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
}

fn read(path: &PathBuf) -> Result<Vec<Jwk>, String> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    usable(&bytes).map_err(|error| format!("{name}: {error}"))
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<Jwk>, String> {
    let fault = |error: reqwest::Error| format!("{url} does not answer: {}", error.without_url());
    let mut response =
        client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(fault)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fault)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(format!("{url} sends too much"));
        }
        bytes.extend_from_slice(&chunk);
    }
    usable(&bytes).map_err(|error| format!("{url}: {error}"))
}

/// The keys of a set that tokens can be checked with.
fn usable(bytes: &[u8]) -> Result<Vec<Jwk>, String> {
    let set: JwkSet =
        serde_json::from_slice(bytes).map_err(|error| format!("this is no JSON Web Key Set: {error}"))?;
    let keys: Vec<_> = set.keys.into_iter().filter(|key| algorithm_of(key).is_some()).collect();
    if keys.is_empty() {
        return Err("there is no key for RS256, ES256 or EdDSA in the set".to_owned());
    }
    Ok(keys)
}

fn choose(keys: &[Jwk], id: Option<&str>, algorithm: Algorithm) -> Option<Jwk> {
    let mut fitting = keys.iter().filter(|key| algorithm_of(key) == Some(algorithm));
    match id {
        Some(id) => fitting.find(|key| key.common.key_id.as_deref() == Some(id)).cloned(),
        None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
    }
}

/// What a key is for. A token's own word for it is never believed: it has to be the same.
fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    if key.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &key.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    let named = key.common.key_algorithm.map(|named| named.to_string());
    named.is_none_or(|named| named == format!("{algorithm:?}")).then_some(algorithm)
}

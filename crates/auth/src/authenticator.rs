//! All ways to show who one is.

use domain::Timestamp;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Identity, Jwt, KeyRing, key};

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The key does not count.
    Key(&'static str),
    /// The token does not count.
    Token(&'static str),
    /// It cannot be told now.
    Unavailable(String),
}

/// The one key of a server that has no others. Kept as a digest, compared in constant time.
#[derive(Debug, Clone)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// The key with that text.
    pub fn new(text: &SecretString) -> Self {
        Self(key::digest_of_secret(text))
    }

    fn matches(&self, shown: &[u8]) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        self.0.ct_eq(&shown).into()
    }
}

/// Tells who a caller is.
#[derive(Debug)]
pub struct Authenticator {
    /// Whoever has it may do everything.
    pub api_key: Option<ApiKey>,
    /// The keys that were made.
    pub keys: KeyRing,
    /// How tokens are checked, where they count.
    pub jwt: Option<Jwt>,
}

impl Authenticator {
    /// Who shows that key or token.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn check(&self, shown: &[u8], now: Timestamp) -> Result<Identity, Denied> {
        if self.api_key.as_ref().is_some_and(|key| key.matches(shown)) {
            return Ok(Identity::operator());
        }
        match (&self.jwt, std::str::from_utf8(shown)) {
            (Some(jwt), Ok(token)) if key::id_of(shown).is_none() => jwt.check(token).await,
            _ => self.keys.check(shown, now).map_err(Denied::Key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JwtSettings, KeyFile, KeySource};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    /// Compared byte by byte, a key of 4 MiB that is wrong at its end would take a thousand times as long as one that is wrong
    /// at its start. Each pair is measured in turn and the best of all counts, so that a busy machine changes nothing.
    #[test]
    fn where_a_key_is_wrong_cannot_be_measured() {
        let same = "k".repeat(4 << 20);
        let key = ApiKey::new(&SecretString::from(format!("k{same}")));
        let (early, late) = (format!("x{same}"), format!("{same}x"));
        let time = |shown: &str| {
            let started = std::time::Instant::now();
            assert!(!key.matches(shown.as_bytes()));
            started.elapsed()
        };
        let pairs: Vec<_> = (0..15).map(|_| (time(&early), time(&late))).collect();
        let early = pairs.iter().map(|pair| pair.0).min().expect("some");
        let late = pairs.iter().map(|pair| pair.1).min().expect("some");
        assert!(late < early * 3 && early < late * 3, "{early:?} and {late:?}");
    }

    #[tokio::test]
    async fn a_key_is_asked_for_before_a_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = || KeyRing::open(KeyFile::new(folder.path().join("keys.json"))).expect("opened");
        let api_key = Some(ApiKey::new(&SecretString::from("the-key")));
        let by_key = Authenticator { api_key: api_key.clone(), keys: keys(), jwt: None };
        assert_eq!(by_key.check(b"the-key", NOW).await, Ok(Identity::operator()));
        for wrong in [&b""[..], b"the-key ", b"\xff"] {
            assert_eq!(by_key.check(wrong, NOW).await, Err(Denied::Key("the API key is wrong")));
        }
        let settings = JwtSettings {
            source: KeySource::Secret(SecretString::from("0123456789abcdef0123456789abcdef")),
            issuer: None,
            audiences: vec![],
            scope_claim: "scope".into(),
        };
        let jwt = Some(Jwt::open(settings).expect("opened"));
        let by_token = Authenticator { api_key, keys: keys(), jwt };
        assert_eq!(by_token.check(b"the-key", NOW).await, Ok(Identity::operator()));
        let token = by_token.check(b"a.b.c", NOW).await;
        assert_eq!(token, Err(Denied::Token("this is no token that could be read")));
        let key = by_token.check(b"ccs_0_0", NOW).await;
        assert_eq!(key, Err(Denied::Key("the API key is wrong")));
    }
}

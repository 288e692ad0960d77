//! How callers show who they are.

use std::path::PathBuf;

use auth::{ApiKey, Authenticator, Jwt, JwtSettings, KeyFile, KeyRing, KeySource};
use secrecy::{ExposeSecret, SecretString};

use super::folders::read_keys_file;
use super::texts::web_url;
use super::variables::{self, Reader};

/// As RFC 7518, section 3.2, wants it for HS256.
const SHORTEST_SECRET: usize = 32;

/// What is asked of callers.
#[derive(Debug, Clone)]
pub(crate) struct AuthSettings {
    api_key: Option<SecretString>,
    keys_file: PathBuf,
    jwt: Option<JwtSettings>,
}

impl AuthSettings {
    /// Reads them; `None` when nothing is asked.
    pub(super) fn read(read: &mut Reader<'_>) -> Option<Self> {
        let is_jwt = read.value("API_AUTH_TYPE", false, |text| match text {
            "bearer" => Some(false),
            "jwt" => Some(true),
            _ => None,
        });
        let is_enabled = read.flag("API_AUTH_ENABLED", false);
        let jwt = read_jwt(read, is_jwt && is_enabled);
        let settings = Self {
            api_key: read.text("API_API_KEY").map(SecretString::from),
            keys_file: read_keys_file(read),
            jwt: jwt.filter(|_| is_jwt),
        };
        if !is_enabled {
            return None;
        }
        settings.check(is_jwt, read);
        Some(settings)
    }

    fn check(&self, is_jwt: bool, read: &mut Reader<'_>) {
        if let Err(error) = self.open() {
            read.faults.add(error);
        } else if !is_jwt && !read.layers.is_meant("API_API_KEY") && !self.keys_file.exists() {
            let fault = "API_AUTH_ENABLED=true needs API_API_KEY, set to a long random text, or a key made with \
                         `claude-code-server keys create`";
            read.faults.add(fault.to_owned());
        }
    }

    /// What tells who callers are.
    ///
    /// # Errors
    /// When a file of keys cannot be used.
    pub(crate) fn open(&self) -> Result<Authenticator, String> {
        let keys = KeyRing::open(KeyFile::new(&self.keys_file))
            .map_err(|error| format!("API_KEYS_FILE: {error}"))?;
        let jwt = self.jwt.clone().map(|settings| {
            let name = match settings.source {
                KeySource::Secret(_) => "API_JWT_SECRET",
                KeySource::File(_) => "API_JWT_JWKS_FILE",
                KeySource::Url(_) => "API_JWT_JWKS_URL",
            };
            Jwt::open(settings).map_err(|error| format!("{name}: {error}"))
        });
        Ok(Authenticator { api_key: self.api_key.as_ref().map(ApiKey::new), keys, jwt: jwt.transpose()? })
    }
}

fn read_jwt(read: &mut Reader<'_>, is_needed: bool) -> Option<JwtSettings> {
    let secret = read.text("API_JWT_SECRET").map(SecretString::from);
    if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < SHORTEST_SECRET) {
        read.refuse("API_JWT_SECRET", &format!("must have at least {SHORTEST_SECRET} characters"));
    }
    let file = read.text("API_JWT_JWKS_FILE").map(PathBuf::from);
    let url = read.optional("API_JWT_JWKS_URL", trusted_url);
    let issuer = read.text("API_JWT_ISSUER").map(str::to_owned);
    let audiences = read.value("API_JWT_AUDIENCE", vec![], variables::list);
    let scope_claim = read.text("API_JWT_SCOPE_CLAIM").unwrap_or("scope").to_owned();
    let is_url_set = read.text("API_JWT_JWKS_URL").is_some();
    let source = match (secret, file, url) {
        (Some(secret), None, None) => KeySource::Secret(secret),
        (None, Some(file), None) => KeySource::File(file),
        (None, None, Some(url)) => KeySource::Url(url),
        (None, None, None) => {
            if is_needed && !is_url_set {
                let fault = "API_AUTH_TYPE=jwt needs API_JWT_SECRET, API_JWT_JWKS_FILE or API_JWT_JWKS_URL";
                read.faults.add(fault.to_owned());
            }
            return None;
        }
        _ => {
            let fault =
                "API_JWT_SECRET, API_JWT_JWKS_FILE and API_JWT_JWKS_URL exclude each other: set one of them";
            read.faults.add(fault.to_owned());
            return None;
        }
    };
    let is_shared = !matches!(source, KeySource::Secret(_));
    if is_needed && is_shared && (issuer.is_none() || audiences.is_empty()) {
        // An issuer signs tokens for others with the same keys.
        let fault =
            "API_JWT_ISSUER and API_JWT_AUDIENCE are needed with keys that an issuer publishes: set both";
        read.faults.add(fault.to_owned());
    }
    Some(JwtSettings { source, issuer, audiences, scope_claim })
}

/// Whoever can change what comes from there can make tokens.
fn trusted_url(text: &str) -> Option<String> {
    let url = web_url(text)?;
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_here = |host: &str| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    };
    host.is_none_or(is_here).then_some(url)
}

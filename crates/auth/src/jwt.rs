//! JSON Web Tokens (RFC 7519), checked as RFC 8725 advises: the algorithm is the key's, never the token's; time, issuer and
//! audience have to fit.

use domain::Principal;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::authenticator::Denied;
use crate::jwks::{Jwks, KeySource};
use crate::key;
use crate::{Identity, Scopes};

/// How far the issuer's clock may be off, in seconds.
const LEEWAY: u64 = 30;
/// What principals of tokens begin with: nobody's `sub` is the name of somebody else's key.
const PRINCIPAL_PREFIX: &str = "jwt:";

/// Which tokens count.
#[derive(Debug, Clone)]
pub struct JwtSettings {
    /// What they are signed with.
    pub source: KeySource,
    /// Their `iss`; `None` for any.
    pub issuer: Option<String>,
    /// One of these has to be in their `aud`. When there are none, tokens must not name an audience.
    pub audiences: Vec<String>,
    /// Which claim holds the scopes: a text with spaces between them, or a list.
    pub scope_claim: String,
}

#[derive(Debug)]
enum Keys {
    Secret(Box<DecodingKey>),
    Set(Jwks),
}

/// Checks tokens.
#[derive(Debug)]
pub struct Jwt {
    keys: Keys,
    settings: JwtSettings,
}

impl Jwt {
    /// Prepares to check tokens.
    ///
    /// # Errors
    /// Why the keys cannot be used.
    pub fn open(settings: JwtSettings) -> Result<Self, String> {
        let keys = match &settings.source {
            KeySource::Secret(secret) => {
                Keys::Secret(Box::new(DecodingKey::from_secret(secret.expose_secret().as_bytes())))
            }
            KeySource::File(path) => Keys::Set(Jwks::of_file(path.clone())?),
            KeySource::Url(url) => Keys::Set(Jwks::of_url(url.clone())?),
        };
        Ok(Self { keys, settings })
    }

    /// Who shows that token.
    ///
    /// # Errors
    /// Why it does not count.
    pub(crate) async fn check(&self, token: &str) -> Result<Identity, Denied> {
        let header = decode_header(token).map_err(|error| Denied::Token(reason(&error)))?;
        let validation = |algorithm| self.validation(algorithm);
        let claims = match &self.keys {
            Keys::Secret(key) => decode::<Map<String, Value>>(token, key, &validation(Algorithm::HS256)),
            Keys::Set(keys) => {
                let found =
                    keys.find(header.kid.as_deref(), header.alg).await.map_err(Denied::Unavailable)?;
                let key = found.ok_or(Denied::Token("the token is signed with a key that is not known"))?;
                let key = DecodingKey::from_jwk(&key).map_err(|error| Denied::Token(reason(&error)))?;
                decode(token, &key, &validation(header.alg))
            }
        };
        let claims = claims.map_err(|error| Denied::Token(reason(&error)))?.claims;
        self.identity(&claims)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let JwtSettings { issuer, audiences, .. } = &self.settings;
        let mut validation = Validation::new(algorithm);
        let mut required = vec!["exp", "sub"];
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if !audiences.is_empty() {
            validation.set_audience(audiences);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn identity(&self, claims: &Map<String, Value>) -> Result<Identity, Denied> {
        let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
        let subject = subject.ok_or(Denied::Token("the token names nobody: its claim sub is missing"))?;
        let principal = principal(subject)?;
        let scopes = match claims.get(&self.settings.scope_claim) {
            Some(Value::String(words)) => Scopes::known(words.split_whitespace()),
            Some(Value::Array(words)) => Scopes::known(words.iter().filter_map(Value::as_str)),
            _ => Scopes::NONE,
        };
        Ok(Identity {
            name: format!("token:{principal}").into(),
            principal,
            scopes,
            requests_per_minute: None,
            max_running: None,
        })
    }
}

/// The principal of a token's `sub`, which may be any text.
fn principal(subject: &str) -> Result<Principal, Denied> {
    let plain = Principal::parse(&format!("{PRINCIPAL_PREFIX}{subject}"));
    let digest = || Principal::parse(&format!("jwt-sha256:{}", key::digest(subject.as_bytes())));
    plain.or_else(|_| digest()).map_err(|_| Denied::Token("the token names nobody"))
}

/// What is wrong with a token, without anything of it.
fn reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is from another issuer",
        ErrorKind::MissingRequiredClaim(_) => {
            "the token lacks a claim: exp and sub, and iss and aud where they are checked"
        }
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::InvalidAlgorithm => "the token is signed in a way that is not allowed",
        _ => "this is no token that could be read",
    }
}

#[cfg(test)]
mod tests;

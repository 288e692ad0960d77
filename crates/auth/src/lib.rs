//! Who calls, and what they may do: API keys, JSON Web Tokens, principals and scopes. Knows nothing of HTTP.

mod authenticator;
mod identity;
mod jwks;
mod jwt;
mod key;
mod key_file;
mod key_ring;
mod scope;

pub use authenticator::{ApiKey, Authenticator, Denied};
pub use identity::Identity;
pub use jwks::KeySource;
pub use jwt::{Jwt, JwtSettings};
pub use key::{KeyRecord, NewKey};
pub use key_file::{KeyFile, KeyFileError};
pub use key_ring::KeyRing;
pub use scope::{Scope, Scopes, UnknownScope};

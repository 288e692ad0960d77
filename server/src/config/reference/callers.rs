//! Who calls, and how often; and the command that calls.

use super::{Kind, Preset, Scope, Separator, Variable};

pub(super) const API: [Variable; 13] = [
    Variable::flag("API_AUTH_ENABLED", "false", "lets in only who shows a key or a token"),
    Variable::choice(
        "API_AUTH_TYPE",
        "bearer",
        &["bearer", "jwt"],
        "jwt: JSON Web Tokens count beside the keys",
    ),
    Variable::text(
        "API_API_KEY",
        Preset::Told("none"),
        "a long random text",
        "the key that may do everything: `Authorization: Bearer <key>` or `X-API-Key: <key>`",
    )
    .secret(),
    Variable::text(
        "API_KEYS_FILE",
        Preset::Told("keys.json in the data folder"),
        "a path",
        "the digests of the keys that `keys create` made",
    ),
    Variable::text(
        "API_JWT_SECRET",
        Preset::Told("none"),
        "at least 32 characters",
        "what tokens are signed with (HS256); or one of the two below",
    )
    .secret(),
    Variable::text(
        "API_JWT_JWKS_FILE",
        Preset::Told("none"),
        "the path of a JSON Web Key Set",
        "the public keys that tokens are signed with",
    ),
    Variable::text(
        "API_JWT_JWKS_URL",
        Preset::Told("none"),
        "an https URL, or an http one on this machine",
        "where an issuer publishes those keys",
    ),
    Variable::text(
        "API_JWT_ISSUER",
        Preset::Told("none"),
        "a text",
        "what the tokens' `iss` has to be; needed with published keys",
    ),
    Variable::new(
        "API_JWT_AUDIENCE",
        Kind::List("a list of texts", Separator::Comma),
        Preset::Told("none"),
        "one of them has to be the tokens' `aud`; needed with published keys",
    ),
    Variable::text(
        "API_JWT_SCOPE_CLAIM",
        Preset::Value("scope"),
        "a claim's name",
        "where the tokens' scopes are",
    ),
    Variable::flag(
        "API_RATE_LIMIT_ENABLED",
        "true",
        "limits requests; callers at this machine without a key only when a limit is set",
    ),
    Variable::count(
        "API_RATE_LIMIT_PER_MINUTE",
        "100",
        (1, u32::MAX as u64),
        "requests a minute of each key, else of each address; beyond: 429",
    ),
    Variable::new(
        "API_CORS_ORIGINS",
        Kind::List("a list of origins such as https://app.example.com, or *", Separator::Comma),
        Preset::Told("none"),
        "web pages of other servers that may call; `*` (all) only with authentication",
    ),
];

pub(super) const CLIENT: [Variable; 2] = [
    Variable::text(
        "CLAUDE_SERVER_URL",
        Preset::Value("http://127.0.0.1:8000"),
        "the server's URL",
        "the server that `run` submits to; `--server` goes before it",
    )
    .scope(Scope::Client),
    Variable::text(
        "CLAUDE_SERVER_API_KEY",
        Preset::Told("none"),
        "the server's key",
        "the key that `run` shows; `--api-key` goes before it",
    )
    .secret()
    .scope(Scope::Client),
];

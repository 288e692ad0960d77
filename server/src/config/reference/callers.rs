//! Who calls, and how often; and the command that calls.

use super::{Preset, Scope, Variable};

pub(super) const API: [Variable; 5] = [
    Variable::flag("API_AUTH_ENABLED", "false", "lets in only who shows the key"),
    Variable::choice("API_AUTH_TYPE", "bearer", &["bearer"], "how callers show who they are"),
    Variable::text(
        "API_API_KEY",
        Preset::Told("none"),
        "a long random text",
        "the key: `Authorization: Bearer <key>` or `X-API-Key: <key>`",
    )
    .secret(),
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

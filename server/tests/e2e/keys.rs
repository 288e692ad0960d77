//! Keys that are made and revoked while the server runs, and tokens.

use std::path::Path;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use testing::{Server, ServerBuilder};
use tokio::process::Command;

use crate::{BINARY, task};

/// Runs `keys` in a server's folder; gives the exit code, stdout and stderr.
pub(crate) async fn keys(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(BINARY);
    command.arg("keys").args(arguments).arg("--data-dir").arg(folder.join("data"));
    let output =
        command.env_clear().current_dir(folder).stdin(Stdio::null()).output().await.expect("a process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

pub(crate) async fn made(folder: &Path, arguments: &[&str]) -> String {
    let (code, key, error) = keys(folder, &[&["create"], arguments].concat()).await;
    assert_eq!(code, Some(0), "{error}");
    key
}

async fn get(server: &Server, key: &str, path: &str) -> (u16, Value) {
    Server::send(server.request("GET", path).bearer_auth(key)).await
}

#[tokio::test]
async fn keys_are_made_and_revoked_while_the_server_runs() {
    let builder = ServerBuilder::stub(BINARY).variable("API_AUTH_ENABLED", "true");
    let ci = made(builder.folder(), &["ci"]).await;
    let server = builder.start().await;
    let submit = server.request("POST", "/api/v1/tasks").bearer_auth(&ci).json(&task(&server, "t", "hello"));
    assert_eq!(Server::send(submit).await.0, 200);
    let result = "/api/v1/tasks/t/result?wait=60";
    assert_eq!(get(&server, &ci, result).await.0, 200);

    let other = made(server.folder(), &["bot", "--scope", "tasks:read,sessions:read"]).await;
    assert_eq!(get(&server, &other, result).await.0, 404, "it is another principal's");
    let submit =
        server.request("POST", "/api/v1/tasks").bearer_auth(&other).json(&task(&server, "u", "hello"));
    let (status, problem) = Server::send(submit).await;
    assert_eq!((status, &problem["code"]), (403, &json!("insufficient_scope")));
    let same = made(server.folder(), &["ci-2", "--principal", "ci"]).await;
    assert_eq!(get(&server, &same, result).await.0, 200);
    let admin = made(server.folder(), &["root", "--scope", "admin", "--expires-in-days", "1"]).await;
    assert_eq!(get(&server, &admin, result).await.0, 200);

    let (_, listed, _) = keys(server.folder(), &["list", "--json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let names: Vec<_> = listed.iter().map(|key| (&key["name"], &key["principal"], &key["state"])).collect();
    let expected = [("ci", "ci"), ("bot", "bot"), ("ci-2", "ci"), ("root", "root")]
        .map(|(name, principal)| (json!(name), json!(principal), json!("active")));
    assert_eq!(
        names,
        expected.iter().map(|(name, principal, state)| (name, principal, state)).collect::<Vec<_>>()
    );
    let kept = std::fs::read_to_string(server.folder().join("data/keys.json")).expect("the keys");
    assert!([&ci, &other, &same, &admin].iter().all(|key| !kept.contains(key.as_str())), "digests only");

    assert_eq!(keys(server.folder(), &["revoke", "ci"]).await.0, Some(0));
    let (status, problem) = get(&server, &ci, result).await;
    assert_eq!((status, &problem["detail"]), (403, &json!("the API key was revoked")));
    assert_eq!(keys(server.folder(), &["revoke", "ci"]).await.0, Some(1), "there is no other");
}

fn token(secret: &str, lifetime: i64, audience: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs().cast_signed();
    let claims =
        json!({"sub": "alice", "aud": audience, "exp": now + lifetime, "scope": "tasks:read tasks:write"});
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("signed")
}

#[tokio::test]
async fn tokens_count_when_they_are_asked_for() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let server = ServerBuilder::stub(BINARY)
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_AUTH_TYPE", "jwt")
        .variable("API_JWT_SECRET", SECRET)
        .variable("API_JWT_AUDIENCE", "agents")
        .start()
        .await;
    let good = token(SECRET, 60, "agents");
    let submit =
        server.request("POST", "/api/v1/tasks").bearer_auth(&good).json(&task(&server, "t", "hello"));
    assert_eq!(Server::send(submit).await.0, 200);
    let path = "/api/v1/tasks/t/result?wait=60";
    assert_eq!(get(&server, &good, path).await.0, 200);
    assert_eq!(get(&server, &good, "/api/v1/sessions").await.0, 403, "it lacks that scope");
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6OTk5OTk5OTk5OX0.";
    let wrong = [
        (token(SECRET, -60, "agents"), "the token has expired"),
        (token(SECRET, 60, "others"), "the token is for another audience"),
        (token("0123456789abcdef0123456789abcdeX", 60, "agents"), "the token's signature is wrong"),
        (none.to_owned(), "this is no token that could be read"),
    ];
    for (token, reason) in wrong {
        let (status, problem) = get(&server, &token, path).await;
        assert_eq!((status, &problem["detail"]), (401, &json!(reason)));
    }
    let bot = made(server.folder(), &["bot"]).await;
    assert_eq!(get(&server, &bot, path).await.0, 404, "keys count too, and alice's task is not the bot's");
}

#[tokio::test]
async fn a_server_that_could_let_nobody_in_does_not_start() {
    let (code, said) = ServerBuilder::stub(BINARY).variable("API_AUTH_ENABLED", "true").refused().await;
    assert_eq!(code, Some(2));
    assert!(said.contains("API_AUTH_ENABLED=true needs API_API_KEY"), "{said}");
    let builder = ServerBuilder::stub(BINARY)
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_AUTH_TYPE", "jwt")
        .variable("API_JWT_SECRET", "short")
        .variable("API_JWT_JWKS_URL", "http://elsewhere.example/keys");
    let (code, said) = builder.refused().await;
    assert_eq!(code, Some(2));
    let lines: Vec<_> = said.lines().map(|line| line.trim_start_matches("claude-code-server: ")).collect();
    assert_eq!(
        lines,
        [
            "API_JWT_SECRET: must have at least 32 characters",
            "API_JWT_JWKS_URL=\"http://elsewhere.example/keys\": must be an https URL, or an http one on this machine",
        ]
    );
}

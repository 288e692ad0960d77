//! `config`, and files that configure a server.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use testing::ServerBuilder;

use crate::BINARY;
use crate::command::run;

const PAGE: &str = include_str!("../../../docs/configuration.md");
const DOT_ENV: &str = include_str!("../../../.env.example");
const TOML: &str = include_str!("../../../docs/claude-code-server.example.toml");

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).expect("written");
}

async fn variables(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<Value> {
    let arguments = [&["config", "show", "--json"], arguments].concat();
    let (code, shown, error) = run(folder, &arguments, variables).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    shown["variables"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn the_committed_pages_are_those_that_the_table_makes() {
    for (arguments, committed, file) in [
        (&["config", "reference"][..], PAGE, "docs/configuration.md"),
        (&["config", "example"], DOT_ENV, ".env.example"),
        (&["config", "example", "--toml"], TOML, "docs/claude-code-server.example.toml"),
    ] {
        let (code, made, _) = run(Path::new("."), arguments, &[]).await;
        assert_eq!(code, Some(0));
        let command = arguments.join(" ");
        assert!(
            made == committed,
            "{file} is out of date: cargo run -p claude-code-server -- {command} > {file}"
        );
    }
}

#[tokio::test]
async fn the_examples_without_their_comment_signs_set_what_holds_without_them() {
    let uncommented = |text: &str| {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect::<String>()
    };
    let place = folder();
    let defaults = variables(place.path(), &[], &[]).await;
    let values = |shown: &[Value]| -> Vec<_> {
        // A number, or a list that bounds something, has no way to say that it is not set.
        let is_bound = |name: &str| name == "SERVER_WORKERS" || name.starts_with("POLICY_");
        let shown = shown.iter().filter(|variable| !variable["name"].as_str().is_some_and(is_bound));
        shown.map(|variable| (variable["name"].clone(), variable["value"].clone())).collect()
    };
    write(&place, ".env", &uncommented(DOT_ENV));
    let of_dot_env = variables(place.path(), &[], &[]).await;
    assert_eq!(values(&of_dot_env), values(&defaults));
    assert!(of_dot_env.iter().filter(|variable| variable["source"] == ".env").count() > 30);

    let place = folder();
    write(&place, "c.toml", &uncommented(TOML));
    let (code, said, _) = run(place.path(), &["config", "check", "--demo", "--config", "c.toml"], &[]).await;
    assert_eq!((code, said.as_str()), (Some(0), "configuration is valid\n"));
    let of_file = variables(place.path(), &["--config", "c.toml"], &[]).await;
    // Lists come as JSON from the file.
    let lists = [
        "CLAUDE_CODE_SERVER_CONFIG",
        "CLAUDE_DEFAULT_ALLOWED_TOOLS",
        "AGENT_SETTING_SOURCES",
        "API_JWT_AUDIENCE",
        "API_CORS_ORIGINS",
        "SERVER_TRUSTED_PROXIES",
        "STORAGE_REDIS_SENTINELS",
        "STORAGE_INSTANCE_LABELS",
    ];
    let others = |shown: &[Value]| -> Vec<_> {
        values(shown).into_iter().filter(|(name, _)| lists.iter().all(|list| name != list)).collect()
    };
    assert_eq!(others(&of_file), others(&defaults));
}

#[tokio::test]
async fn a_check_prints_every_fault_of_every_layer_and_ends_with_1() {
    let place = folder();
    write(&place, ".env", "TASK_MAX_ATTEMPTS=many\nSERVER_WORKRES=3\n");
    write(&place, "c.toml", "[server]\nprot = 1\nworkers = 0\n");
    let arguments = ["config", "check", "--config", "c.toml", "--port", "http"];
    let set = [("STORAGE_SYNC", "never"), ("CLAUDE_CLI_PATH", "/nowhere/claude")];
    let (code, said, error) = run(place.path(), &arguments, &set).await;
    assert_eq!((code, error.as_str()), (Some(1), ""));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "c.toml line 2: server.prot is not known: did you mean server.port?",
            "SERVER_PORT=\"http\" (--port): must be a port from 0 to 65535",
            "SERVER_WORKERS=\"0\" (server.workers in c.toml): must be a whole number from 1 to 512",
            "CLAUDE_API_KEY is not set: set it to your key, or start with --demo to try without one",
            "TASK_MAX_ATTEMPTS=\"many\" (.env): must be a whole number from 1 to 10",
            "STORAGE_SYNC=\"never\": must be normal or full",
            "CLAUDE_CLI_PATH=\"/nowhere/claude\": is not an executable file: correct it, or leave it out to use the pinned CLI",
            "warning: SERVER_WORKRES (.env) is not a variable of this server: did you mean SERVER_WORKERS?",
        ]
    );
    let (code, said, _) = run(folder().path(), &["config", "check", "--demo"], &[]).await;
    assert_eq!((code, said.as_str()), (Some(0), "configuration is valid\n"));
}

#[tokio::test]
async fn what_is_in_force_is_shown_with_its_source_and_without_secrets() {
    let place = folder();
    write(&place, ".env", "API_API_KEY=hidden-1\n");
    write(&place, "c.toml", "[anthropic]\nauth_token = 'hidden-2'\n[task]\nmax_queue_size = 7\n");
    let set = [("CLAUDE_API_KEY", "hidden-3"), ("CLAUDE_BASE_URL", "http://me:hidden-4@example.com")];
    let arguments = ["--config", "c.toml", "--host", "localhost"];
    let shown = variables(place.path(), &arguments, &set).await;
    let one = |name: &str| shown.iter().find(|variable| variable["name"] == name).cloned();
    let expected = [
        json!({"name": "SERVER_HOST", "value": "localhost", "source": "flag", "place": "--host"}),
        json!({"name": "CLAUDE_API_KEY", "value": "***", "source": "environment"}),
        json!({"name": "CLAUDE_BASE_URL", "value": "http://***@example.com", "source": "environment"}),
        json!({"name": "API_API_KEY", "value": "***", "source": ".env"}),
        json!({"name": "ANTHROPIC_AUTH_TOKEN", "value": "***", "source": "file", "place": "anthropic.auth_token in c.toml"}),
        json!({"name": "TASK_MAX_QUEUE_SIZE", "value": "7", "source": "file", "place": "task.max_queue_size in c.toml"}),
        json!({"name": "SERVER_PORT", "value": "8000", "source": "default"}),
        json!({"name": "SERVER_WORKERS", "value": null, "source": "default", "note": "the number of cores"}),
    ];
    for variable in expected {
        assert_eq!(one(variable["name"].as_str().expect("a name")), Some(variable));
    }
    let arguments = [&["config", "show"][..], &arguments].concat();
    let (code, text, _) = run(place.path(), &arguments, &set).await;
    assert_eq!(code, Some(0));
    assert!(
        text.contains("TASK_MAX_QUEUE_SIZE                 7  [task.max_queue_size in c.toml]\n"),
        "{text}"
    );
    assert!(!text.contains("hidden"), "{text}");

    write(&place, "c.toml", "[task\n");
    let (code, text, error) = run(place.path(), &arguments, &set).await;
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.starts_with("claude-code-server config: c.toml line 1 is not TOML ("), "{error}");
    assert!(text.contains("TASK_MAX_QUEUE_SIZE                 100  [default]\n"), "{text}");
}

#[tokio::test]
async fn a_server_starts_from_a_file_and_warns_of_what_looks_like_a_slip() {
    let builder = ServerBuilder::stub(BINARY)
        .variable("CLAUDE_CODE_SERVER_CONFIG", "c.toml")
        .variable("SESSION_MAX_CONCURENT", "3");
    std::fs::write(builder.folder().join("c.toml"), "[api]\nauth_enabled = true\napi_key = 'k'\n")
        .expect("written");
    let server = builder.start().await;
    assert_eq!(server.get("/api/v1/sessions").await.0, 401);
    let request = server.request("GET", "/api/v1/sessions").bearer_auth("k");
    assert_eq!(testing::Server::send(request).await.0, 200);
    server.terminate();
    let log = server.ended().await.log.join("\n");
    assert!(
        log.contains(
            "SESSION_MAX_CONCURENT is not a variable of this server: did you mean SESSION_MAX_CONCURRENT?"
        ),
        "{log}"
    );
}

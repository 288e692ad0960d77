//! A start that cannot succeed says why, and what to run.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use testing::{ServerBuilder, stub_agent};

use crate::place::Place;
use crate::{BINARY, is_tool_use};

fn cli(builder: &ServerBuilder, version: &str) -> String {
    let path = builder.folder().join("claude");
    std::fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path.display().to_string()
}

#[tokio::test]
async fn a_cli_that_is_missing_too_old_or_something_else_stops_the_start() {
    let missing = ServerBuilder::demo(BINARY).variable("CLAUDE_CLI_PATH", "/nowhere/claude");
    let (code, stderr) = missing.refused().await;
    assert_eq!(
        (code, stderr.as_str()),
        (
            Some(2),
            "claude-code-server: CLAUDE_CLI_PATH=\"/nowhere/claude\": is not an executable file: correct it, or leave it \
             out to use the pinned CLI\n"
        )
    );
    for (version, reason) in
        [("1.0.30 (Claude Code)", "is Claude Code 1.0.30"), ("hello", "does not tell its version")]
    {
        let builder = ServerBuilder::demo(BINARY);
        let cli = cli(&builder, version);
        let (code, stderr) = builder.variable("CLAUDE_CLI_PATH", &cli).refused().await;
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains(reason) && stderr.contains("npm ci"), "{stderr}");
    }
}

#[tokio::test]
async fn wrong_values_are_reported_all_at_once() {
    let builder = ServerBuilder::bare(BINARY)
        .variable("SERVER_PORT", "http")
        .variable("SERVER_HOST", "0.0.0.0")
        .variable("SESSION_MAX_CONCURRENT", "many");
    let (code, stderr) = builder.refused().await;
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(code, Some(2));
    assert_eq!(
        lines,
        [
            "claude-code-server: SERVER_PORT=\"http\": must be a port from 0 to 65535",
            "claude-code-server: CLAUDE_API_KEY is not set: set it to your key, or start with --demo to try without one",
            "claude-code-server: SESSION_MAX_CONCURRENT=\"many\": must be a whole number from 1 to 10000",
            "claude-code-server: SERVER_HOST=0.0.0.0 opens the server to the network without authentication: set \
             API_AUTH_ENABLED=true and API_API_KEY, or SERVER_ALLOW_INSECURE=true if that is meant",
        ]
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let (code, stderr) =
        ServerBuilder::demo(BINARY).variable("SERVER_PORT", &port.to_string()).refused().await;
    assert_eq!(code, Some(2));
    assert!(
        stderr.starts_with(&format!(
            "claude-code-server: SERVER_PORT={port}: 127.0.0.1:{port} cannot be listened on"
        )),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_dot_env_file_counts_and_the_environment_goes_over_it() {
    let builder = ServerBuilder::demo(BINARY).variable("TASK_MAX_QUEUE_SIZE", "7");
    std::fs::write(builder.folder().join(".env"), "TASK_MAX_QUEUE_SIZE=none\nSESSION_MAX_CONCURRENT=none\n")
        .expect("written");
    let (_, stderr) = builder.refused().await;
    assert_eq!(
        stderr,
        "claude-code-server: SESSION_MAX_CONCURRENT=\"none\" (.env): must be a whole number from 1 to 10000\n"
    );
}

#[tokio::test]
async fn a_dot_env_file_that_cannot_be_read_does_not_show_its_secrets() {
    let builder = ServerBuilder::bare(BINARY);
    std::fs::write(builder.folder().join(".env"), "SERVER_WORKERS=1\nCLAUDE_API_KEY='sk-secret\n")
        .expect("written");
    let (code, stderr) = builder.refused().await;
    let fault = "claude-code-server: .env line 2 opens a quote that is not closed: close it, or put a backslash before each \
                 quote within it\n";
    assert_eq!((code, stderr.as_str()), (Some(2), fault));
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused_and_harms_nothing() {
    let place = Place::new();
    let server = place.server(&stub_agent(), &[]).await;
    let body = json!({"task_id": "holds", "prompt": "tool Bash; hold", "workspace": place.workspace("w")});
    server.submit(&body).await;
    let mut stream = server.stream("holds", "").await;
    stream.wait_for("its tool", is_tool_use).await;
    let data = place.path("data").display().to_string();
    let (code, error) = ServerBuilder::stub(BINARY).variable("STORAGE_DATA_DIR", &data).refused().await;
    assert_eq!((code, error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains(&data), "{error}");
    assert_eq!(server.post("/api/v1/tasks/holds/interrupt", &json!({})).await.0, 200, "its agent lives");
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("interrupted"));
}

#[tokio::test]
async fn a_database_that_is_none_stops_the_start_with_a_line_that_says_what_to_do() {
    let builder = ServerBuilder::stub(BINARY);
    let data = builder.folder().join("data");
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("tasks.sqlite"), "not a database, but long enough to be looked at".repeat(50))
        .expect("written");
    let (code, error) = builder.refused().await;
    assert_eq!((code, error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains("tasks.sqlite") && error.contains("backup"), "{error}");
}

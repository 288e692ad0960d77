//! `doctor`: what it finds where all is well, beside a running server, and where much is missing.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use testing::{RedisServer, pinned_cli, stub_agent};
use tokio::process::Command;

use crate::BINARY;
use crate::command::{outcome, run};
use crate::place::Place;

/// The names of the checks, each with how often it went how.
type Outcomes = BTreeMap<String, String>;

/// Outcomes and details by name, and the exit code.
async fn doctor(
    folder: &Path,
    arguments: &[&str],
    set: &[(&str, &str)],
) -> (Option<i32>, Outcomes, Outcomes) {
    let path = std::env::var("PATH").expect("a path");
    let variables = [&[("PATH", path.as_str())][..], set].concat();
    let (code, report, error) = run(folder, &[&["doctor", "--json"], arguments].concat(), &variables).await;
    assert_eq!(error, "");
    let (outcomes, details) = parsed(&report);
    (code, outcomes, details)
}

fn parsed(report: &str) -> (Outcomes, Outcomes) {
    let report: Value = serde_json::from_str(report).expect("JSON");
    let checks = report["checks"].as_array().expect("a list");
    let of = |field: &str| {
        let text = |check: &Value, field: &str| check[field].as_str().expect("text").to_owned();
        checks.iter().map(|check| (text(check, "name"), text(check, field))).collect()
    };
    let (outcomes, details): (Outcomes, Outcomes) = (of("outcome"), of("detail"));
    assert_eq!(report["healthy"], !outcomes.values().any(|outcome| outcome == "fail"));
    (outcomes, details)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn failed(outcomes: &Outcomes) -> Vec<&str> {
    outcomes.iter().filter(|(_, outcome)| *outcome == "fail").map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn where_all_is_well_every_check_says_so_and_nothing_is_left_behind() {
    let place = folder();
    let cli = pinned_cli().display().to_string();
    let set = [
        ("CLAUDE_CLI_PATH", cli.as_str()),
        ("CLAUDE_API_KEY", "hidden"),
        ("MONITORING_PROMETHEUS_PORT", "0"),
    ];
    let (code, outcomes, details) = doctor(place.path(), &["--port", "0"], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(0), vec![]), "{details:#?}");
    let names: Vec<_> = outcomes.keys().map(String::as_str).collect();
    let expected = [
        "cli",
        "configuration",
        "credential",
        "database",
        "disk",
        "git",
        "memory",
        "metrics port",
        "open files",
        "port",
        "processes",
        "storage",
        "workspaces",
    ];
    assert_eq!(names, expected);
    // The others depend on the machine.
    for name in ["cli", "configuration", "credential", "database", "port", "storage", "workspaces"] {
        assert_eq!(outcomes[name], "ok", "{name}: {}", details[name]);
    }
    assert!(details["cli"].starts_with(&format!("{cli} is Claude Code ")), "{details:?}");
    assert_eq!(details["credential"], "CLAUDE_API_KEY is set");
    assert_eq!(std::fs::read_dir(place.path()).expect("a folder").count(), 0);

    let variables = [("CLAUDE_CLI_PATH", cli.as_str()), ("SERVER_PORT", "0")];
    let (code, text, _) = run(place.path(), &["doctor", "--demo"], &variables).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("ok    configuration  valid\nok    credential     none is needed in demo mode\nok    cli            "), "{text}");
    assert!(text.contains("warn  git            not on PATH: install it"), "no PATH was given: {text}");
}

#[tokio::test]
async fn a_running_server_is_recognized_and_not_disturbed() {
    let place = Place::new();
    let server = place.server(&stub_agent(), &[]).await;
    let data = place.path("data").display().to_string();
    let port = server.url().rsplit(':').next().expect("a port").to_owned();
    let cli = pinned_cli().display().to_string();
    let set = [
        ("CLAUDE_CLI_PATH", cli.as_str()),
        ("STORAGE_DATA_DIR", data.as_str()),
        ("SERVER_PORT", port.as_str()),
        ("MONITORING_PROMETHEUS_ENABLED", "false"),
    ];
    let (code, outcomes, details) = doctor(place.root(), &["--demo"], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(0), vec![]), "{details:#?}");
    assert_eq!(details["database"], "in use by a running server");
    assert_eq!(details["port"], format!("127.0.0.1:{port} is used by the running server"));
    assert_eq!(server.get("/ready").await.0, 200);

    server.terminate();
    server.ended().await;
    let (code, _, details) = doctor(place.root(), &["--demo"], &set).await;
    assert_eq!((code, details["database"].starts_with("can be opened; its format is ")), (Some(0), true));
    assert_eq!(details["port"], format!("127.0.0.1:{port} is free"));

    // The format's number in the database's head (SQLite's file format, section 1.3).
    let file =
        std::fs::OpenOptions::new().write(true).open(place.path("data").join("tasks.sqlite")).expect("there");
    file.write_all_at(&999_u32.to_be_bytes(), 60).expect("written");
    let (code, outcomes, details) = doctor(place.root(), &["--demo"], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(1), vec!["database"]));
    assert!(
        details["database"].starts_with("the database was made by a newer version (its format is 999"),
        "{details:?}"
    );
}

#[tokio::test]
async fn everything_that_is_missing_is_told_at_once() {
    let place = folder();
    let taken = [(), ()].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [port, metrics] =
        taken.each_ref().map(|taken| taken.local_addr().expect("an address").port().to_string());
    std::fs::write(place.path().join("file"), "").expect("written");
    let data = place.path().join("file/data");
    let output = Command::new("/bin/sh")
        .args(["-c", "ulimit -n 100; exec \"$0\" doctor --json --demo", BINARY])
        .env_clear()
        .env("CLAUDE_CLI_PATH", "/nowhere/claude")
        .env("STORAGE_DATA_DIR", &data)
        .env("SERVER_PORT", &port)
        .env("MONITORING_PROMETHEUS_PORT", &metrics)
        .env("SESSION_MAX_CONCURRENT", "10000")
        .current_dir(place.path())
        .stdin(Stdio::null())
        .output();
    let (code, report, error) = outcome(output.await.expect("a process"));
    assert_eq!((code, error.as_str()), (Some(1), ""));
    let (outcomes, details) = parsed(&report);
    assert_eq!(
        failed(&outcomes),
        ["cli", "database", "metrics port", "open files", "port", "storage"],
        "{details:#?}"
    );
    assert_eq!((outcomes["git"].as_str(), outcomes["memory"].as_str()), ("warn", "warn"), "{details:#?}");
    assert!(
        details["cli"].starts_with("CLAUDE_CLI_PATH=/nowhere/claude is not an executable file"),
        "{details:?}"
    );
    assert!(details["port"].contains("set SERVER_PORT to another"), "{details:?}");
    assert!(details["open files"].starts_with("at most 100: raise the hard limit"), "{details:?}");
}

#[tokio::test]
async fn an_old_cli_and_a_key_that_others_may_read_are_told() {
    let place = folder();
    let cli = place.path().join("claude");
    std::fs::write(&cli, "#!/bin/sh\necho '1.0.30 (Claude Code)'\n").expect("written");
    std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let file = place.path().join(".env");
    std::fs::write(&file, "ANTHROPIC_AUTH_TOKEN=hidden\n").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("set");
    let cli = cli.display().to_string();
    let set =
        [("CLAUDE_CLI_PATH", cli.as_str()), ("SERVER_PORT", "0"), ("MONITORING_PROMETHEUS_ENABLED", "false")];
    let (code, outcomes, details) = doctor(place.path(), &[], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(1), vec!["cli"]), "{details:#?}");
    assert!(details["cli"].contains("is Claude Code 1.0.30, and at least"), "{details:?}");
    assert_eq!(outcomes["credential"], "warn");
    assert_eq!(
        details["credential"],
        "ANTHROPIC_AUTH_TOKEN is in .env, which other users may read: chmod 600 .env"
    );
}

#[tokio::test]
async fn without_a_credential_the_rest_is_looked_at_all_the_same() {
    let set = [("CLAUDE_CLI_PATH", "/nowhere/claude"), ("SERVER_PORT", "0")];
    let (code, outcomes, details) = doctor(folder().path(), &[], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(1), vec!["cli", "configuration"]), "{details:#?}");
    assert!(details["configuration"].starts_with("CLAUDE_API_KEY is not set"), "{details:?}");
    assert_eq!((outcomes["storage"].as_str(), outcomes.get("credential")), ("ok", None));
}

#[tokio::test]
async fn a_wrong_configuration_is_a_failure_a_line() {
    let (code, text, _) =
        run(folder().path(), &["doctor", "--demo"], &[("SERVER_PORT", "http"), ("TASK_ON_STALL", "hope")])
            .await;
    assert_eq!(
        (code, text.as_str()),
        (
            Some(1),
            "FAIL  configuration  SERVER_PORT=\"http\": must be a port from 0 to 65535\n\
             FAIL  configuration  TASK_ON_STALL=\"hope\": must be one of report, fail, resume\n\
             warn  configuration  nothing else was checked: correct the configuration first\n"
        )
    );
}

#[tokio::test]
async fn redis_is_asked_and_a_server_on_it_is_recognized() {
    let redis = RedisServer::start().await;
    let place = Place::new();
    let url = redis.url();
    let shared = [("STORAGE_TYPE", "redis"), ("STORAGE_REDIS_URL", url.as_str())];
    let server = place.server(&stub_agent(), &shared).await;
    let data = place.path("data").display().to_string();
    let port = server.url().rsplit(':').next().expect("a port").to_owned();
    let cli = pinned_cli().display().to_string();
    let own = [
        ("CLAUDE_CLI_PATH", cli.as_str()),
        ("STORAGE_DATA_DIR", data.as_str()),
        ("SERVER_PORT", port.as_str()),
        ("MONITORING_PROMETHEUS_ENABLED", "false"),
    ];
    let set = [&own[..], &shared].concat();
    let (code, outcomes, details) = doctor(place.root(), &["--demo"], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(0), vec![]), "{details:#?}");
    assert_eq!(details["port"], format!("127.0.0.1:{port} is used by the running server"));
    let database = (outcomes["database"].as_str(), details["database"].as_str());
    assert_eq!(database, ("ok", "Redis answers, and keeps what it is given"));
    assert_eq!(server.get("/ready").await.0, 200);

    server.terminate();
    server.ended().await;
    drop(redis);
    let (code, outcomes, details) = doctor(place.root(), &["--demo"], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(1), vec!["database"]), "{details:#?}");
    assert!(details["database"].starts_with("STORAGE_TYPE=redis: "), "{details:#?}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("redis://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let set = [&own[..], &[("STORAGE_TYPE", "redis"), ("STORAGE_REDIS_URL", nobody.as_str())]].concat();
    let (code, outcomes, details) = doctor(place.root(), &["--demo"], &set).await;
    assert_eq!((code, failed(&outcomes)), (Some(1), vec!["database"]), "{details:#?}");
    assert!(details["database"].contains("Connection refused"), "{details:#?}");
    assert_eq!(details["port"], format!("127.0.0.1:{port} is free"));
}

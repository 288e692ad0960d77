//! The model or the agent fails: the task says so, and the server goes on.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use testing::ServerBuilder;

use crate::{BINARY, demo, task};

/// A program that tells a good version and then does as the script says.
pub(crate) fn fake_cli(builder: &ServerBuilder, script: &str) -> String {
    fake_cli_in(builder.folder(), script)
}

/// The same in a folder that outlives the server.
pub(crate) fn fake_cli_in(folder: &Path, script: &str) -> String {
    let path = folder.join("claude");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '2.1.330 (Claude Code)'; exit; fi\n{script}\n"
    );
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path.display().to_string()
}

#[tokio::test]
async fn a_cli_that_dies_at_start_fails_the_task_with_its_stderr() {
    let builder = ServerBuilder::demo(BINARY);
    let cli = fake_cli(&builder, "echo 'something is broken' >&2; exit 3");
    let server = builder.variable("CLAUDE_CLI_PATH", &cli).start().await;
    for id in ["dies", "dies-too"] {
        server.submit(&task(&server, id, "p")).await;
        let complete = server.stream(id, "").await.finish().await.assert_whole();
        assert_eq!(
            (&complete["status"], &complete["exit_code"], &complete["errors"]),
            (
                &json!("failed"),
                &json!(1),
                &json!(["the agent ended before it was ready (exit code 3): something is broken"])
            )
        );
    }
    assert_eq!(server.get("/health").await.1["status"], json!("healthy"));
}

#[tokio::test]
async fn a_cli_that_ignores_everything_is_still_stopped() {
    let builder = ServerBuilder::demo(BINARY);
    let cli = fake_cli(
        &builder,
        "trap '' TERM INT HUP; echo '{\"type\":\"deaf\"}'; while :; do read -r line || sleep 1; done",
    );
    let server = builder.variable("CLAUDE_CLI_PATH", &cli).start().await;
    server.submit(&task(&server, "deaf", "p")).await;
    let mut stream = server.stream("deaf", "").await;
    stream.wait_for("its trap", |event| event["data"]["subtype"] == "deaf").await;
    let (status, answer) = server.post("/api/v1/tasks/deaf/interrupt", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("interrupted")));
    server.terminate();
    let stopped = server.ended().await;
    testing::wait_until_none_mention(stopped.folder.path(), std::time::Duration::ZERO).await;
}

#[tokio::test]
async fn what_is_not_understood_is_passed_on_and_what_is_garbage_too() {
    let builder = ServerBuilder::demo(BINARY);
    let script = r#"echo 'warning: not json'
        echo '{"type":"brand_new","value":1}'
        read -r line
        echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
        read -r line
        printf '{"type":"result","sub'"#;
    let cli = fake_cli(&builder, script);
    let server = builder.variable("CLAUDE_CLI_PATH", &cli).start().await;
    server.submit(&task(&server, "odd", "p")).await;
    let finished = server.stream("odd", "").await.finish().await;
    let complete = finished.assert_whole();
    assert_eq!(complete["errors"], json!(["the agent ended before its turn did (exit code 0)"]));
    let subtypes: Vec<_> = finished
        .events()
        .into_iter()
        .filter_map(|event| event["data"]["subtype"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(subtypes, ["unparsed_output", "brand_new", "torn_output"]);
}

#[tokio::test]
async fn a_refused_key_is_told_at_once_and_not_after_three_minutes() {
    let server = demo().await;
    server.submit(&task(&server, "key", "[[error 401]]")).await;
    let finished = server.stream("key", "").await.finish().await;
    let complete = finished.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["errors"]),
        (&json!("failed"), &json!(["the model API refused the key (HTTP status 401): check CLAUDE_API_KEY"]))
    );
    assert!(complete["elapsed_time_ms"].as_u64().expect("a number") < 30_000);
}

#[tokio::test]
async fn an_overloaded_model_and_a_cut_stream_are_ridden_out() {
    let server = demo().await;
    for (id, prompt) in [("overloaded", "[[error 529 2]] [[say ok]]"), ("cut", "[[cut 1]] [[say ok]]")] {
        server.submit(&task(&server, id, prompt)).await;
        let complete = server.stream(id, "").await.finish().await.assert_whole();
        assert_eq!((&complete["status"], &complete["summary"]), (&json!("completed"), &json!("ok")), "{id}");
    }
    server.submit(&task(&server, "bad", "[[error 400]]")).await;
    let complete = server.stream("bad", "").await.finish().await.assert_whole();
    assert_eq!(complete["status"], json!("failed"));
    assert!(complete["errors"][0].as_str().expect("text").contains("400"), "{complete}");
}

#[tokio::test]
async fn a_task_goes_on_while_its_background_command_runs() {
    let server = demo().await;
    let prompt = "[[bashbg python3 -c 'import time; time.sleep(2)'; echo late > late.txt]] [[say started]]";
    server.submit(&task(&server, "bg", prompt)).await;
    let complete = server.stream("bg", "").await.finish().await.assert_whole();
    assert_eq!(complete["status"], json!("completed"));
    assert!(server.workspace("bg").join("late.txt").exists(), "the command was not cut short");
}

#[tokio::test]
async fn an_agent_that_writes_without_end_is_stopped_before_it_fills_the_memory() {
    let builder = ServerBuilder::demo(BINARY);
    // Ready, so that nothing but its output ends it.
    let script = r#"read -r line
        echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
        tr '\0' x < /dev/zero | fold -w 1000000"#;
    let cli = fake_cli(&builder, script);
    let server = builder.variable("CLAUDE_CLI_PATH", &cli).start().await;
    server.submit(&task(&server, "flood", "p")).await;
    let complete = server.stream("flood", "?after=240").await.finish().await;
    let complete = complete.events().pop().expect("an event")["data"].clone();
    assert_eq!(
        (&complete["status"], &complete["errors"]),
        (&json!("failed"), &json!(["the task's log is full: a task may have 268435456 bytes of events"]))
    );
    testing::wait_until_none_mention(&server.agents_folder(), std::time::Duration::from_secs(10)).await;
}

//! Whose turn it is, as callers see it: places, priorities, delays, dependencies, busy sessions, rate limits, budgets.

use std::time::Duration;

use serde_json::{Value, json};
use testing::{Server, ServerBuilder};

use crate::{BINARY, demo, is_tool_use, task};

async fn one_agent() -> Server {
    ServerBuilder::stub(BINARY).variable("SESSION_MAX_CONCURRENT", "1").start().await
}

async fn end_of(server: &Server, task: &str) -> Value {
    server.stream(task, "").await.finish().await.assert_whole()
}

async fn occupy(server: &Server) {
    server.submit(&task(server, "runs", "tool Bash; hold")).await;
    server.stream("runs", "").await.wait_for("its tool", is_tool_use).await;
}

async fn interrupt(server: &Server, task: &str) {
    let (status, answer) = server.post(&format!("/api/v1/tasks/{task}/interrupt"), &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("interrupted")), "{answer}");
}

/// Tasks in the order in which an agent took them.
async fn order(server: &Server, tasks: &[&str]) -> Vec<String> {
    let mut traces = Vec::new();
    for task in tasks {
        assert_eq!(end_of(server, task).await["status"], json!("completed"), "{task}");
    }
    let text = std::fs::read_to_string(server.folder().join("traces")).expect("traces");
    traces.extend(text.lines().filter_map(|line| line.split(' ').nth(3)).map(str::to_owned));
    traces
}

fn traced(server: &Server, id: &str, more: Value) -> Value {
    let traces = server.folder().join("traces");
    let mut body = task(server, id, &format!("log {} {id}", traces.display()));
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body
}

#[tokio::test]
async fn a_waiting_task_knows_its_place_and_the_urgent_go_first() {
    let server = one_agent().await;
    occupy(&server).await;
    for (id, priority) in [("low", -5), ("first", 0), ("second", 0), ("urgent", 50)] {
        let answer = server.submit(&traced(&server, id, json!({"priority": priority}))).await;
        assert_eq!(answer["status"], json!("pending"), "{answer}");
    }
    let mut places = Vec::new();
    for id in ["urgent", "first", "second", "low", "runs"] {
        let (_, task) = server.get(&format!("/api/v1/tasks/{id}")).await;
        places.push((task["queue_position"].clone(), task["priority"].clone()));
    }
    let expected = [(json!(1), 50), (json!(2), 0), (json!(3), 0), (json!(4), -5), (Value::Null, 0)];
    assert_eq!(places, expected.map(|(place, priority)| (place, json!(priority))));
    interrupt(&server, "runs").await;
    let tasks = ["low", "first", "second", "urgent"];
    assert_eq!(order(&server, &tasks).await, ["urgent", "first", "second", "low"]);
}

#[tokio::test]
async fn workspaces_take_turns() {
    let server = one_agent().await;
    occupy(&server).await;
    for (id, workspace) in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b")] {
        let workspace = server.workspace(workspace);
        server.submit(&traced(&server, id, json!({"workspace": workspace}))).await;
    }
    interrupt(&server, "runs").await;
    assert_eq!(order(&server, &["a1", "a2", "a3", "b1"]).await, ["a1", "b1", "a2", "a3"]);
}

#[tokio::test]
async fn a_task_waits_for_its_time_and_for_what_it_depends_on() {
    let server = ServerBuilder::stub(BINARY).start().await;
    server.submit(&traced(&server, "base", json!({"delay_seconds": 1}))).await;
    let (_, base) = server.get("/api/v1/tasks/base").await;
    assert_eq!(base["status"], json!("pending"), "{base}");
    server.submit(&traced(&server, "after", json!({"depends_on": ["base"]}))).await;
    server.submit(&traced(&server, "now", json!({}))).await;
    assert_eq!(order(&server, &["base", "after", "now"]).await, ["now", "base", "after"]);

    server.submit(&task(&server, "fails", "api_error 400")).await;
    server.submit(&traced(&server, "doomed", json!({"depends_on": ["fails"]}))).await;
    let complete = end_of(&server, "doomed").await;
    assert_eq!(
        (&complete["status"], &complete["errors"]),
        (&json!("failed"), &json!(["the task fails, which it depends on, has failed"]))
    );
    let unknown = traced(&server, "x", json!({"depends_on": ["nobody"]}));
    assert_eq!(server.post("/api/v1/tasks", &unknown).await.0, 422);
}

#[tokio::test]
async fn a_busy_session_does_what_the_caller_wants() {
    let server = ServerBuilder::stub(BINARY).start().await;
    occupy(&server).await;
    let choice = |id: &str, when_busy: &str| {
        let session = json!({"reuse_existing": true, "session_id": "session-runs", "when_busy": when_busy});
        json!({"task_id": id, "prompt": "recall", "workspace": server.workspace("runs"), "session": session})
    };
    let (status, answer) = server.post("/api/v1/tasks", &choice("rejected", "reject")).await;
    assert_eq!((status, &answer["code"]), (409, &json!("session_busy")));
    assert_eq!(server.submit(&choice("waits", "enqueue")).await["status"], json!("pending"));
    assert_eq!(server.submit(&choice("forks", "fork")).await["session_id"], json!("session-forks"));
    assert_eq!(end_of(&server, "forks").await["summary"], json!("tool Bash; hold"));
    server.submit(&choice("interrupts", "interrupt")).await;
    assert_eq!(end_of(&server, "runs").await["status"], json!("interrupted"));
    assert_eq!(end_of(&server, "waits").await["errors"], json!(["interrupted before it started"]));
    assert_eq!(end_of(&server, "interrupts").await["summary"], json!("tool Bash; hold"));
}

#[tokio::test]
async fn a_rate_limit_parks_the_task_until_the_time_that_the_api_gives_and_frees_its_permit() {
    let server = ServerBuilder::demo(BINARY).variable("SESSION_MAX_CONCURRENT", "1").start().await;
    server.submit(&task(&server, "limited", "[[error 429 retry-after=3600]]")).await;
    let parked = server.stream("limited", "").await;
    let mut parked = parked;
    let event = parked.wait_for("the wait", |event| event["data"]["subtype"] == "task_waits").await;
    assert_eq!(event["data"]["data"]["reason"], json!("rate_limit"), "{event}");
    let (_, status) = server.get("/api/v1/tasks/limited").await;
    assert_eq!((&status["status"], &status["waiting"]["reason"]), (&json!("running"), &json!("rate_limit")));
    let moment = |value: &Value| domain::Timestamp::parse(value.as_str().expect("a time")).expect("a time");
    let wait = moment(&status["waiting"]["until"]).since(moment(&status["created_at"]));
    assert!((3_590..3_630).contains(&wait.as_secs()), "{wait:?}");
    server.submit(&task(&server, "other", "[[say hi]]")).await;
    assert_eq!(end_of(&server, "other").await["status"], json!("completed"), "the permit is free");
    interrupt(&server, "limited").await;
    assert_eq!(parked.finish().await.assert_whole()["status"], json!("interrupted"));
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_by_policy_in_the_same_conversation() {
    let server = demo().await;
    let mut body = task(&server, "again", "[[error 400]] [[say done]]");
    body["retry"] = json!({"max_attempts": 3});
    server.submit(&body).await;
    let complete = end_of(&server, "again").await;
    assert_eq!(complete["status"], json!("failed"), "a request that is wrong stays wrong: {complete}");

    let place = ServerBuilder::stub(BINARY).start().await;
    let mut body = task(&place, "dies", "crash");
    body["retry"] = json!({"max_attempts": 2});
    place.submit(&body).await;
    let complete = end_of(&place, "dies").await;
    assert_eq!(complete["status"], json!("failed"));
    assert_eq!(place.get("/api/v1/tasks/dies").await.1["attempt"], json!(2));
}

#[tokio::test]
async fn a_budget_ends_the_task_that_spends_it() {
    let server = demo().await;
    let mut body = task(&server, "spends", "[[bash echo 1]] [[bash echo 2]] [[bash echo 3]] [[say done]]");
    body["options"] = json!({"max_budget_usd": 0.000_001});
    server.submit(&body).await;
    let complete = end_of(&server, "spends").await;
    assert_eq!(complete["errors"], json!(["the budget is spent (max_budget_usd)"]), "{complete}");
}

#[tokio::test]
async fn background_tasks_may_take_the_time_that_the_policy_gives() {
    let server = ServerBuilder::stub(BINARY).start().await;
    let mut body = task(&server, "short", "background 1 600000; say started");
    body["options"] = json!({"background_timeout": 1});
    server.submit(&body).await;
    assert_eq!(end_of(&server, "short").await["summary"], json!("started"));
    server.submit(&task(&server, "long", "background 2 300; say started")).await;
    assert_eq!(end_of(&server, "long").await["summary"], json!("All done."));
    testing::wait_until_none_mention(std::path::Path::new("session-short"), Duration::from_secs(1)).await;
}

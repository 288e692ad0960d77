//! Stop means stop: interrupts and timeouts.

use std::time::Duration;

use serde_json::json;
use testing::wait_until_none_mention;

use crate::{LONG_COMMAND, demo, is_tool_use, task, without_idle_agents};

#[tokio::test]
async fn an_interrupt_ends_a_running_tool_before_it_answers() {
    let server = demo().await;
    server.submit(&task(&server, "long", LONG_COMMAND)).await;
    let mut stream = server.stream("long", "").await;
    stream.wait_for("the tool", is_tool_use).await;
    let (status, answer) = server.post("/api/v1/tasks/long/interrupt", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("interrupted")));
    let complete = stream.finish().await.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["exit_code"], &complete["errors"]),
        (&json!("interrupted"), &json!(130), &json!(["interrupted by request"]))
    );
    let (status, again) = server.post("/api/v1/tasks/long/interrupt", &json!({})).await;
    assert_eq!((status, &again["code"]), (409, &json!("task_finished")));
    assert_eq!(server.get("/api/v1/tasks/long").await.1["status"], json!("interrupted"));
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(10)).await;
}

#[tokio::test]
async fn an_interrupt_ends_a_streaming_answer_a_starting_agent_and_a_hanging_model() {
    let server = demo().await;
    for (id, prompt) in [("stream", "[[stream 100000 20]]"), ("hang", "[[hang]]")] {
        server.submit(&task(&server, id, prompt)).await;
        let mut stream = server.stream(id, "").await;
        stream.wait_for("the turn", |event| event["data"]["subtype"] == "init").await;
        let (status, answer) = server.post(&format!("/api/v1/tasks/{id}/interrupt"), &json!({})).await;
        assert_eq!((status, &answer["status"]), (200, &json!("interrupted")), "{id}");
        assert_eq!(stream.finish().await.assert_whole()["status"], json!("interrupted"), "{id}");
    }
    server.submit(&task(&server, "starting", "[[say hi]]")).await;
    let (status, answer) = server.post("/api/v1/tasks/starting/interrupt", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("interrupted")));
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_timeout_fails_the_task_with_124_and_stops_the_agent_and_its_tools() {
    let server = demo().await;
    let mut body = task(&server, "late", LONG_COMMAND);
    body["options"] = json!({"timeout": 5});
    server.submit(&body).await;
    let finished = server.stream("late", "").await.finish().await;
    let complete = finished.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["exit_code"], &complete["errors"]),
        (&json!("failed"), &json!(124), &json!(["timed out after 5 seconds"]))
    );
    let error = finished.events().into_iter().find(|event| event["type"] == "error").expect("an error");
    assert_eq!(
        error["data"],
        json!({"error": "timed out after 5 seconds", "code": "task_timeout", "retryable": false})
    );
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_waiting_task_is_interrupted_without_an_agent() {
    let server =
        testing::ServerBuilder::demo(crate::BINARY).variable("SESSION_MAX_CONCURRENT", "1").start().await;
    server.submit(&task(&server, "first", LONG_COMMAND)).await;
    server.stream("first", "").await.wait_for("the tool", is_tool_use).await;
    let waiting = server.submit(&task(&server, "second", "[[say hi]]")).await;
    assert_eq!(waiting["status"], json!("pending"));
    let (status, answer) = server.post("/api/v1/tasks/second/interrupt", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("interrupted")));
    let finished = server.stream("second", "").await.finish().await;
    assert_eq!(
        (finished.types(), &finished.assert_whole()["exit_code"]),
        (vec!["complete".into()], &json!(130))
    );
}

#[tokio::test]
async fn the_limit_of_turns_fails_the_task_and_says_so() {
    let server = demo().await;
    let mut body = task(&server, "turns", "[[bash echo 1]] [[bash echo 2]] [[bash echo 3]]");
    body["options"] = json!({"max_turns": 2});
    server.submit(&body).await;
    let complete = server.stream("turns", "").await.finish().await.assert_whole();
    assert_eq!((&complete["status"], &complete["exit_code"]), (&json!("failed"), &json!(1)));
    assert_eq!(complete["errors"], json!(["the limit of turns was reached (max_turns)"]));
}

#[tokio::test]
async fn a_sub_agents_files_count_and_it_is_stopped_with_the_task() {
    let server = without_idle_agents().await;
    let mut body = task(&server, "sub", "[[agent {{write sub.txt x}}]] [[say done]]");
    body["options"] = json!({"allowed_tools": ["Write", "Bash", "Agent"]});
    server.submit(&body).await;
    let complete = server.stream("sub", "").await.finish().await.assert_whole();
    assert_eq!((&complete["status"], &complete["files_modified"]), (&json!("completed"), &json!(1)));
    assert!(server.workspace("sub").join("sub.txt").exists());

    let body =
        task(&server, "stop", "[[agent {{bash python3 -c 'import time; time.sleep(600)'}}]] [[say waiting]]");
    server.submit(&body).await;
    let mut stream = server.stream("stop", "").await;
    stream
        .wait_for("the sub-agent's tool", |event| is_tool_use(event) && event["data"]["tool_name"] == "Bash")
        .await;
    let (status, answer) = server.post("/api/v1/tasks/stop/interrupt", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("interrupted")));
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_background_command_ends_with_the_interrupt() {
    let server = demo().await;
    let name = format!("background-{}", server.pid());
    let prompt = format!("[[bashbg exec -a {name} python3 -c 'import time; time.sleep(600)']] [[hang]]");
    server.submit(&task(&server, "bg", &prompt)).await;
    let mut stream = server.stream("bg", "").await;
    stream.wait_for("the command", |event| event["data"]["subtype"] == "task_started").await;
    let (status, answer) = server.post("/api/v1/tasks/bg/interrupt", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("interrupted")));
    wait_until_none_mention(std::path::Path::new(&name), Duration::from_millis(2_500)).await;
}

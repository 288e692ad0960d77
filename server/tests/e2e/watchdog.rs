//! An agent that hangs is told from one that works in silence.

use serde_json::json;
use testing::{Server, ServerBuilder};

use crate::{BINARY, task};

async fn watchful() -> Server {
    ServerBuilder::demo(BINARY).variable("TASK_STALL_AFTER_SECONDS", "2").start().await
}

#[tokio::test]
async fn a_model_that_never_answers_is_reported_and_acted_on_by_policy() {
    let server = watchful().await;
    let mut body = task(&server, "hangs", "[[hang]]");
    body["options"] = json!({"on_stall": "fail"});
    server.submit(&body).await;
    let finished = server.stream("hangs", "").await.finish().await;
    let complete = finished.assert_whole();
    assert_eq!((&complete["status"], &complete["exit_code"]), (&json!("failed"), &json!(1)), "{complete}");
    let events = finished.events();
    let stalled = events.iter().find(|event| event["data"]["subtype"] == "agent_stalled").expect("a report");
    assert_eq!(stalled["data"]["data"]["open_tool_calls"], json!(0), "{stalled}");
    let error = events.iter().find(|event| event["type"] == "error").expect("an error");
    assert_eq!(error["data"]["code"], json!("agent_stalled"), "{error}");
}

#[tokio::test]
async fn a_stalled_turn_is_carried_on_in_another_process() {
    let server = watchful().await;
    let mut body = task(&server, "hangs", "[[bash echo once >> log]] [[hang 1]] [[say went on]]");
    body["options"] = json!({"on_stall": "resume"});
    server.submit(&body).await;
    let complete = server.stream("hangs", "").await.finish().await.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["summary"]),
        (&json!("completed"), &json!("went on")),
        "{complete}"
    );
    let log = std::fs::read_to_string(server.workspace("hangs").join("log")).expect("a log");
    assert_eq!(log, "once\n", "nothing is done twice");
    assert_eq!(server.get("/api/v1/tasks/hangs").await.1["attempt"], json!(2));
}

#[tokio::test]
async fn a_silent_build_is_left_alone() {
    let server = watchful().await;
    let prompt = "[[bash python3 -c 'import time; time.sleep(7)']] [[say built]]";
    let mut body = task(&server, "builds", prompt);
    body["options"] = json!({"on_stall": "fail"});
    server.submit(&body).await;
    let finished = server.stream("builds", "").await.finish().await;
    assert_eq!(finished.assert_whole()["summary"], json!("built"));
    let stalled =
        finished.events().iter().filter(|event| event["data"]["subtype"] == "agent_stalled").count();
    assert_eq!(stalled, 0);
}

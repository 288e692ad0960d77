//! The stub agent is taken for the real one.

use std::fs;

use serde_json::json;
use testing::ServerBuilder;

use crate::{BINARY, task};

#[tokio::test]
async fn a_stub_does_what_its_prompt_says_once() {
    let server = ServerBuilder::stub(BINARY).start().await;
    let log = server.folder().join("log");
    let prompt = format!("log {} once; emit 100 40; say bye; cost 0.25", log.display());
    server.submit(&task(&server, "stub", &prompt)).await;
    let finished = server.stream("stub", "").await.finish().await;
    let complete = finished.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["summary"], &complete["total_cost_usd"]),
        (&json!("completed"), &json!("bye"), &json!(0.25)),
        "{complete}"
    );
    let events = finished.events();
    let said = events.iter().filter(|event| event["data"]["message_type"] == "assistant");
    assert_eq!(said.count(), 101);
    assert_eq!(fs::read_to_string(log).expect("a log").lines().count(), 1);
}

#[tokio::test]
async fn a_stub_is_interrupted_and_its_conversation_resumed() {
    let server = ServerBuilder::stub(BINARY).start().await;
    server.submit(&task(&server, "first", "tool Bash; hold")).await;
    let mut stream = server.stream("first", "").await;
    stream.wait_for("its tool", crate::is_tool_use).await;
    assert_eq!(server.post("/api/v1/tasks/first/interrupt", &json!({})).await.0, 200);
    let complete = stream.finish().await.assert_whole();
    assert_eq!(complete["status"], json!("interrupted"), "{complete}");
    let session = json!({"reuse_existing": true, "session_id": "session-first"});
    let workspace = server.workspace("first");
    let body = json!({"task_id": "second", "prompt": "recall", "workspace": workspace, "session": session});
    server.submit(&body).await;
    let complete = server.stream("second", "").await.finish().await.assert_whole();
    assert_eq!(complete["summary"], json!("tool Bash; hold"), "{complete}");
}

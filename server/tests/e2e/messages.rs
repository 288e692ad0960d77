//! What people say to an agent while it works.

use serde_json::{Value, json};
use testing::{Server, pinned_cli};

use crate::place::Place;
use crate::{demo, is_tool_use, task};

/// A command that waits for a file of that name.
const WAIT: &str = "[[bash python3 -c 'while not __import__(\"os\").path.exists(\"go\"): __import__(\"time\").sleep(0.05)']]";

async fn say(server: &Server, id: &str, text: &str) -> (u16, Value) {
    server.post(&format!("/api/v1/tasks/{id}/messages"), &json!({"text": text})).await
}

fn is_message(event: &Value) -> bool {
    event["data"]["subtype"] == "task_message"
}

#[tokio::test]
async fn an_agent_hears_what_is_said_while_it_works() {
    let server = demo().await;
    server.submit(&task(&server, "t", &format!("{WAIT} [[say first]]"))).await;
    let mut stream = server.stream("t", "").await;
    stream.wait_for("a tool call", is_tool_use).await;
    let (status, receipt) = say(&server, "t", "[[say heard it]]").await;
    assert_eq!((status, &receipt["task_id"]), (200, &json!("t")), "{receipt}");
    std::fs::write(server.workspace("t").join("go"), "").expect("written");
    let finished = stream.finish().await;
    let told: Vec<_> = finished.events().into_iter().filter(is_message).collect();
    assert_eq!(told.len(), 1);
    let data = &told[0]["data"];
    assert_eq!((&data["message_type"], &data["content"]), (&json!("user"), &json!("[[say heard it]]")));
    assert_eq!(data["data"]["message_id"], receipt["message_id"]);
    let complete = finished.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["summary"]),
        (&json!("completed"), &json!("heard it")),
        "{complete}"
    );
    let (status, problem) = say(&server, "t", "too late").await;
    assert_eq!((status, &problem["code"]), (409, &json!("task_state")));
    assert_eq!(say(&server, "nobody", "hello").await.0, 404);
    assert_eq!(say(&server, "t", " ").await.0, 422);
}

#[tokio::test]
async fn what_a_killed_agent_had_not_heard_is_told_again() {
    let place = Place::new();
    let server = place.server(&pinned_cli(), &[]).await;
    let workspace = place.workspace("w");
    let body = json!({"task_id": "t", "prompt": format!("[[bash true]] {WAIT} [[say first]]"), "workspace": workspace,
                      "options": {"on_restart": "resume"}});
    server.submit(&body).await;
    let mut stream = server.stream("t", "").await;
    stream.wait_for("the end of a tool", |event| event["type"] == "tool_result").await;
    stream.wait_for("the call that waits", is_tool_use).await;
    assert_eq!(say(&server, "t", "[[say heard it]]").await.0, 200);
    server.kill().await;
    std::fs::write(workspace.join("go"), "").expect("written");
    let server = place.server(&pinned_cli(), &[]).await;
    let finished = server.stream("t", "").await.finish().await;
    assert_eq!(finished.assert_whole()["status"], "completed");
    let events = finished.events();
    let said: Vec<_> = events.iter().filter_map(|event| event["data"]["content"].as_str()).collect();
    assert!(said.contains(&"heard it"), "{said:?}");
}

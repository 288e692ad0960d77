//! Sessions that are made, forked and read over the API, with the real CLI.

use serde_json::{Value, json};
use testing::Server;

use crate::{demo, task};

async fn run_in(server: &Server, session: &str, id: &str, prompt: &str) -> Value {
    let mut body = task(server, "w", prompt);
    body["task_id"] = json!(id);
    body["session"] = json!({"reuse_existing": true, "session_id": session});
    server.submit(&body).await;
    server.get(&format!("/api/v1/tasks/{id}/result?wait=120")).await.1["result"]["summary"].clone()
}

async fn transcript(server: &Server, session: &str) -> Vec<Value> {
    let path = format!("/api/v1/sessions/{session}/transcript");
    let answer = server.request("GET", &path).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/x-ndjson".parse().expect("a type"))
    );
    let text = answer.text().await.expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn a_session_is_made_used_forked_and_read() {
    let server = demo().await;
    let body = json!({"session_id": "s", "workspace": server.workspace("w")});
    assert_eq!(server.post("/api/v1/sessions", &body).await.0, 201);
    assert_eq!(transcript(&server, "s").await, [] as [Value; 0]);
    assert_eq!(run_in(&server, "s", "one", "[[say The word is sloe.]]").await, "The word is sloe.");
    assert_eq!(server.post("/api/v1/sessions/s/fork", &json!({"session_id": "copy"})).await.0, 201);
    let remembered = run_in(&server, "copy", "two", "[[history]]").await;
    assert!(remembered.as_str().is_some_and(|text| text.contains("sloe")), "{remembered}");
    let said = transcript(&server, "s").await;
    let shown: Vec<_> = said
        .iter()
        .map(|entry| (entry["type"].as_str(), entry["message"]["content"][0]["text"].as_str()))
        .collect();
    assert_eq!(
        shown,
        [(Some("user"), Some("[[say The word is sloe.]]")), (Some("assistant"), Some("The word is sloe."))]
    );
    assert_eq!(server.get("/api/v1/sessions/nobody/transcript").await.0, 404);
}

#[tokio::test]
async fn a_server_tells_what_it_can_do() {
    let server = demo().await;
    let (status, told) = server.get("/api/v1/capabilities").await;
    assert_eq!(status, 200);
    assert!(told["agent_version"].as_str().is_some_and(|version| version.split('.').count() == 3), "{told}");
    assert_eq!(
        told["caller"],
        json!({"principal": "default", "scopes": ["admin"], "is_authenticated": false})
    );
    assert_eq!(
        told["policy"]["permission_modes"],
        json!(["default", "acceptEdits", "plan", "dontAsk", "auto"])
    );
    assert_eq!(told["limits"]["max_batch"], 100);
}

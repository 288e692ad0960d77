//! Sessions: one conversation over several tasks.

use serde_json::{Value, json};

use crate::{LONG_COMMAND, demo, is_tool_use, task, without_idle_agents};

fn reuse(server: &testing::Server, id: &str, session: &str, workspace: &str, prompt: &str) -> Value {
    json!({
        "task_id": id, "prompt": prompt, "workspace": server.workspace(workspace),
        "session": {"reuse_existing": true, "session_id": session},
    })
}

#[tokio::test]
async fn a_reused_session_remembers_and_its_tasks_run_one_after_the_other() {
    let server = demo().await;
    server.submit(&task(&server, "one", "[[say The word is apple.]]")).await;
    let second = reuse(&server, "two", "session-one", "one", "[[history]]");
    assert_eq!(server.submit(&second).await["session_id"], json!("session-one"));
    let complete = server.stream("two", "").await.finish().await.assert_whole();
    assert!(complete["summary"].as_str().expect("text").contains("apple"), "{complete}");
    assert!(complete["turns"].as_u64() == Some(1), "{complete}");
    let (_, sessions) = server.get("/api/v1/sessions").await;
    assert_eq!(sessions["sessions"][0]["tasks"], json!(["one", "two"]));

    let (status, body) = server.post("/api/v1/tasks", &reuse(&server, "three", "nobody", "one", "p")).await;
    assert_eq!((status, &body["code"]), (404, &json!("session_not_found")));
    let (status, body) =
        server.post("/api/v1/tasks", &reuse(&server, "three", "session-one", "other", "p")).await;
    assert_eq!((status, &body["code"]), (409, &json!("session_workspace_differs")));
}

#[tokio::test]
async fn an_interrupted_conversation_goes_on_in_the_next_task() {
    let server = demo().await;
    server.submit(&task(&server, "one", &format!("The word is pear. {LONG_COMMAND}"))).await;
    server.stream("one", "").await.wait_for("the tool", is_tool_use).await;
    server.post("/api/v1/tasks/one/interrupt", &json!({})).await;
    server.submit(&reuse(&server, "two", "session-one", "one", "[[history]]")).await;
    let complete = server.stream("two", "").await.finish().await.assert_whole();
    assert!(complete["summary"].as_str().expect("text").contains("pear"), "{complete}");
}

#[tokio::test]
async fn a_busy_session_is_deleted_only_by_force_and_then_its_task_is_interrupted() {
    let server = demo().await;
    server.submit(&task(&server, "busy", LONG_COMMAND)).await;
    let mut stream = server.stream("busy", "").await;
    stream.wait_for("the tool", is_tool_use).await;
    let delete = |path: &str| testing::Server::send(server.request("DELETE", path));
    let (status, body) = delete("/api/v1/sessions/session-busy").await;
    assert_eq!((status, &body["code"]), (409, &json!("session_busy")));
    let (status, body) = delete("/api/v1/sessions/session-busy?force=true").await;
    assert_eq!((status, body), (200, json!({"message": "Session session-busy deleted"})));
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("interrupted"));
    assert_eq!(delete("/api/v1/sessions/session-busy").await.0, 404);
    assert_eq!(server.get("/api/v1/tasks/busy").await.1["status"], json!("interrupted"));
}

#[tokio::test]
async fn a_conversation_that_was_stopped_before_the_first_answer_still_remembers_its_prompt() {
    let server = demo().await;
    server.submit(&task(&server, "one", "The word is plum. [[hang]]")).await;
    let mut stream = server.stream("one", "").await;
    stream.wait_for("the turn", |event| event["data"]["subtype"] == "init").await;
    server.post("/api/v1/tasks/one/interrupt", &json!({})).await;
    server.submit(&reuse(&server, "two", "session-one", "one", "[[history]]")).await;
    let complete = server.stream("two", "").await.finish().await.assert_whole();
    assert!(complete["summary"].as_str().expect("text").contains("plum"), "{complete}");
}

#[tokio::test]
async fn a_conversation_that_is_gone_is_said_to_be_and_not_silently_begun_anew() {
    let server = without_idle_agents().await;
    server.submit(&task(&server, "one", "[[say hi]]")).await;
    server.stream("one", "").await.finish().await.assert_whole();
    testing::wait_until_none_mention(&server.agents_folder(), std::time::Duration::from_secs(10)).await;
    std::fs::remove_dir_all(server.agents_folder().join("default/config/projects")).expect("removed");
    server.submit(&reuse(&server, "two", "session-one", "one", "[[history]]")).await;
    let finished = server.stream("two", "").await.finish().await;
    assert_eq!(finished.assert_whole()["status"], json!("failed"));
    assert_eq!(finished.events()[0]["data"]["code"], json!("conversation_lost"));
}

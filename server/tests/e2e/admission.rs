//! Bad input gets a clear error and loses nothing; a retry is safe.

use serde_json::{Value, json};
use testing::Server;

use crate::{LONG_COMMAND, demo, is_tool_use, task};

fn pointers(body: &Value) -> Vec<String> {
    let errors = body["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

#[tokio::test]
async fn a_workspace_has_to_be_a_folder_under_a_root() {
    let server = demo().await;
    let file = server.workspace("w").join("file");
    std::fs::write(&file, "").expect("written");
    let missing = server.workspace("w").join("nowhere");
    let outside = server.folder().join("data");
    for (workspace, code) in [
        (file.display().to_string(), "workspace_not_found"),
        (missing.display().to_string(), "workspace_not_found"),
        ("relative".into(), "workspace_not_found"),
        (outside.display().to_string(), "workspace_not_allowed"),
        ("/etc".into(), "workspace_not_allowed"),
    ] {
        let (status, body) =
            server.post("/api/v1/tasks", &json!({"prompt": "p", "workspace": workspace})).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{workspace}: {body}");
        assert!(body["detail"].is_string() && body["request_id"].is_string(), "{body}");
    }
    let cwd = json!({"prompt": "p", "workspace": server.workspace("w"), "options": {"cwd": "/"}});
    assert_eq!(server.post("/api/v1/tasks", &cwd).await.1["code"], json!("workspace_not_allowed"));
    assert_eq!(server.get("/api/v1/sessions").await.1, json!({"sessions": []}), "nothing was admitted");
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_with_a_pointer_to_each_fault() {
    let server = demo().await;
    let raw = |body: &'static str| Server::send(server.request("POST", "/api/v1/tasks").body(body));
    let (status, body) = raw("{\"prompt\":").await;
    assert_eq!((status, pointers(&body)), (422, vec![String::new()]));
    let (status, body) = raw("").await;
    assert_eq!((status, pointers(&body)), (422, vec![String::new()]));
    let (status, body) =
        raw("{\"prompt\": 7, \"options\": {\"permission_mode\": \"yolo\", \"timeout\": -1}}").await;
    let expected = ["/prompt", "/workspace", "/options/permission_mode", "/options/timeout"];
    assert_eq!((status, pointers(&body)), (422, expected.map(str::to_owned).to_vec()));
    let response =
        server.request("POST", "/api/v1/tasks").body("x".repeat(11 << 20)).send().await.expect("an answer");
    assert_eq!(response.status().as_u16(), 413);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn the_same_submission_again_is_the_same_task_and_another_body_a_conflict() {
    let server = demo().await;
    let body = task(&server, "once", "[[write once.txt 1]]");
    let first = server.submit(&body).await;
    server.stream("once", "").await.finish().await.assert_whole();
    let again = server.submit(&body).await;
    assert_eq!((&again["created_at"], &again["status"]), (&first["created_at"], &json!("completed")));
    let reordered = Server::send(server.request("POST", "/api/v1/tasks").body(format!(
        "{{ \"workspace\": {}, \"prompt\": {}, \"task_id\": \"once\" }}",
        body["workspace"], body["prompt"]
    )));
    assert_eq!(reordered.await.0, 200, "order and white space make no other task");
    std::fs::remove_dir_all(server.workspace("once")).expect("removed");
    assert_eq!(server.submit(&body).await["status"], json!("completed"), "a retry needs no workspace");
    let mut other = body.clone();
    other["prompt"] = json!("[[write once.txt 2]]");
    let (status, body) = server.post("/api/v1/tasks", &other).await;
    assert_eq!((status, &body["code"]), (409, &json!("task_id_taken")));
}

#[tokio::test]
async fn what_does_not_exist_is_said_not_to() {
    let server = demo().await;
    for (method, path, status, code) in [
        ("GET", "/api/v1/tasks/nobody", 404, "task_not_found"),
        ("GET", "/api/v1/tasks/..%2F..%2Fetc", 404, "task_not_found"),
        ("GET", "/api/v1/tasks/%FF", 400, "invalid_request"),
        ("POST", "/api/v1/tasks/nobody/interrupt", 404, "task_not_found"),
        ("DELETE", "/api/v1/sessions/nobody", 404, "session_not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/api/v1/tasks", 405, "method_not_allowed"),
        ("GET", "/ws/tasks/nobody", 426, "upgrade_required"),
    ] {
        let (found, body) = Server::send(server.request(method, path)).await;
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{method} {path}: {body}");
        assert!(body["detail"].is_string(), "{body}");
    }
    let finished = server.stream("nobody", "").await.finish().await;
    assert_eq!((finished.close_code, finished.types()), (Some(1008), vec!["error".to_owned()]));
    assert_eq!(finished.events()[0]["data"]["code"], json!("task_not_found"));
}

#[tokio::test]
async fn a_subscriber_may_come_before_its_task() {
    let server = demo().await;
    let stream = server.stream("soon", "").await;
    server.submit(&task(&server, "soon", "[[say hi]]")).await;
    assert_eq!(stream.finish().await.assert_whole()["summary"], json!("hi"));
}

#[tokio::test]
async fn a_full_queue_answers_503_and_loses_nothing() {
    let server = testing::ServerBuilder::demo(crate::BINARY)
        .variable("SESSION_MAX_CONCURRENT", "1")
        .variable("TASK_MAX_QUEUE_SIZE", "1")
        .start()
        .await;
    server.submit(&task(&server, "runs", LONG_COMMAND)).await;
    server.stream("runs", "").await.wait_for("the tool", is_tool_use).await;
    assert_eq!(server.get("/ready").await, (200, json!({"status": "ready"})));
    server.submit(&task(&server, "waits", "[[say hi]]")).await;
    let response = server
        .request("POST", "/api/v1/tasks")
        .json(&task(&server, "refused", "p"))
        .send()
        .await
        .expect("an answer");
    assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (503, true));
    assert_eq!(server.get("/ready").await.0, 503);
    let (_, health) = server.get("/health").await;
    assert_eq!((&health["status"], &health["active_tasks"]), (&json!("healthy"), &json!(1)));
    server.post("/api/v1/tasks/runs/interrupt", &json!({})).await;
    assert_eq!(server.stream("waits", "").await.finish().await.assert_whole()["status"], json!("completed"));
}

#[tokio::test]
async fn a_workspace_that_was_replaced_while_its_task_waited_is_not_entered() {
    let server =
        testing::ServerBuilder::demo(crate::BINARY).variable("SESSION_MAX_CONCURRENT", "1").start().await;
    server.submit(&task(&server, "runs", LONG_COMMAND)).await;
    server.stream("runs", "").await.wait_for("the tool", is_tool_use).await;
    for id in ["linked", "gone"] {
        server.submit(&task(&server, id, "[[write a.txt x]]")).await;
        std::fs::remove_dir(server.workspace(id)).expect("removed");
    }
    let outside = tempfile::tempdir().expect("a folder");
    let linked = server.folder().join("workspaces").join("linked");
    std::os::unix::fs::symlink(outside.path(), &linked).expect("linked");
    server.post("/api/v1/tasks/runs/interrupt", &json!({})).await;
    for (id, reason) in [("linked", "has been replaced by a link"), ("gone", "is no longer there")] {
        let complete = server.stream(id, "").await.finish().await.assert_whole();
        let error = complete["errors"][0].as_str().expect("an error");
        assert!(error.contains(reason), "{error}");
    }
    assert!(!outside.path().join("a.txt").exists());
}

//! Lists of tasks, changes of them, batches, and sessions that are made.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::place::{Answer, Place};

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let tasks = answer.json()["tasks"].as_array().cloned().expect("tasks");
    tasks.iter().map(|task| task["task_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn tasks_are_found_by_what_they_are() {
    let place = Place::new().await;
    place.submit("a", "hold a", json!({"labels": {"team": "x"}, "metadata": {"build": 7}})).await;
    place.submit("b", "hello", json!({"labels": {"team": "y"}})).await;
    place.submit("c", "hello", json!({"labels": {"team": "x"}})).await;
    for id in ["b", "c"] {
        place.get(&format!("/api/v1/tasks/{id}/result?wait=60")).await;
    }
    for (query, expected) in [
        ("", vec!["c", "b", "a"]),
        ("?order=oldest", vec!["a", "b", "c"]),
        ("?status=completed", vec!["c", "b"]),
        ("?status=running,pending", vec!["a"]),
        ("?label=team=x", vec!["c", "a"]),
        ("?label=team=x&status=running", vec!["a"]),
        ("?label=nothing", vec![]),
        ("?session_id=session-b", vec!["b"]),
        ("?created_before=2020-01-01T00:00:00Z", vec![]),
        ("?created_from=2020-01-01T00:00:00Z&limit=200", vec!["c", "b", "a"]),
        (&format!("?workspace={}", place.workspace), vec!["c", "b", "a"]),
        ("?workspace=/elsewhere", vec![]),
    ] {
        assert_eq!(names(&place.get(&format!("/api/v1/tasks{query}")).await), expected, "{query}");
    }
    let first = place.get("/api/v1/tasks?limit=2").await;
    assert_eq!(names(&first), ["c", "b"]);
    let cursor = first.json()["next_cursor"].as_str().expect("a cursor").to_owned();
    place.submit("d", "hello", Value::Null).await;
    let second = place.get(&format!("/api/v1/tasks?limit=2&cursor={cursor}")).await;
    assert_eq!((names(&second), &second.json()["next_cursor"]), (vec!["a".to_owned()], &Value::Null));
    let task = place.get("/api/v1/tasks/a").await.json();
    assert_eq!((&task["labels"], &task["metadata"]), (&json!({"team": "x"}), &json!({"build": 7})));
    assert_eq!((&task["principal"], &task["workspace"]), (&json!("default"), &json!(place.workspace)));
    let wrong =
        place.get("/api/v1/tasks?status=done&label=%3D&order=up&limit=0&created_from=now&cursor=x").await;
    let pointers: Vec<_> = wrong.json()["errors"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| fault["pointer"].clone())
        .collect();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(pointers, ["?status", "?label", "?created_from", "?order", "?limit", "?cursor"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_waits_becomes_urgent_and_only_what_has_ended_is_deleted() {
    let place = Place::with(engine::Settings { max_agents: 1, ..engine::Settings::default() }, None).await;
    for (id, prompt) in [("a", "hold a"), ("b", "hold b"), ("c", "hold c")] {
        place.submit(id, prompt, Value::Null).await;
    }
    place.script.say("hold a", "…").await;
    let changed = place.call("PATCH", "/api/v1/tasks/c", &json!({"priority": 5})).await;
    assert_eq!((changed.status, &changed.json()["priority"]), (StatusCode::OK, &json!(5)));
    assert_eq!(changed.json()["queue_position"], 1);
    let conflict = |answer: Answer| (answer.status, answer.json()["code"].clone());
    let state = (StatusCode::CONFLICT, json!("task_state"));
    assert_eq!(conflict(place.call("PATCH", "/api/v1/tasks/a", &json!({"priority": 5})).await), state);
    assert_eq!(conflict(place.call("DELETE", "/api/v1/tasks/a", &Value::Null).await), state);
    assert_eq!(conflict(place.call("DELETE", "/api/v1/tasks/b", &Value::Null).await), state);
    place.script.finish("hold a").await;
    place.get("/api/v1/tasks/a/result?wait=60").await;
    place.script.finish("hold c").await;
    assert_eq!(place.get("/api/v1/tasks/c/result?wait=60").await.status, StatusCode::OK, "it went before b");
    let deleted = place.call("DELETE", "/api/v1/tasks/a", &Value::Null).await;
    assert_eq!((deleted.status, deleted.json()), (StatusCode::OK, json!({"message": "Task a deleted"})));
    for path in ["/api/v1/tasks/a", "/api/v1/tasks/a/events"] {
        assert_eq!(place.get(path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(place.get("/api/v1/sessions/session-a").await.json()["tasks"], json!([]));
    place.script.finish("hold b").await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_is_deleted_by_force_however_that_is_written() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    place.script.say("hold", "…").await;
    let delete = async |force: &str| {
        let path = format!("/api/v1/sessions/session-t?force={force}");
        place.call("DELETE", &path, &Value::Null).await.status
    };
    assert_eq!(delete("maybe").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(delete("False").await, StatusCode::CONFLICT);
    assert_eq!(delete("True").await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_several_submissions() {
    let place = Place::new().await;
    let task = |id: &str, workspace: &str| json!({"task_id": id, "prompt": "hello", "workspace": workspace});
    let body = json!({"tasks": [task("a", &place.workspace), task("b", "/etc"), json!({}), task("a", &place.workspace),
        json!({"task_id": "c", "prompt": "hello", "workspace": place.workspace, "depends_on": ["a"]})]});
    let answer = place.call("POST", "/api/v1/tasks/batch", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let results = answer.json()["results"].as_array().cloned().expect("results");
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            (
                result["status"].as_u64(),
                result["task"]["task_id"].as_str(),
                result["problem"]["code"].as_str(),
            )
        })
        .collect();
    let expected = [
        (Some(200), Some("a"), None),
        (Some(400), None, Some("workspace_not_allowed")),
        (Some(422), None, Some("invalid_request")),
        (Some(200), Some("a"), None),
        (Some(200), Some("c"), None),
    ];
    assert_eq!(told, expected);
    let id = answer.headers["x-request-id"].to_str().expect("text");
    assert_eq!(results[1]["problem"]["request_id"], id);
    assert_eq!(place.get("/api/v1/tasks/c/result?wait=60").await.json()["status"], "completed");
    assert_eq!(
        place.call("POST", "/api/v1/tasks/batch", &json!({"tasks": []})).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_is_made_used_and_forked() {
    let place = Place::new().await;
    let made = place
        .call("POST", "/api/v1/sessions", &json!({"session_id": "s", "workspace": place.workspace}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(
        (&made.json()["status"], &made.json()["workspace"]),
        (&json!("idle"), &json!(place.workspace))
    );
    let conflict = |answer: Answer| (answer.status, answer.json()["code"].clone());
    let again = place
        .call("POST", "/api/v1/sessions", &json!({"session_id": "s", "workspace": place.workspace}))
        .await;
    assert_eq!(conflict(again), (StatusCode::CONFLICT, json!("session_id_taken")));
    let outside = place.call("POST", "/api/v1/sessions", &json!({"workspace": "/etc"})).await;
    assert_eq!(conflict(outside), (StatusCode::BAD_REQUEST, json!("workspace_not_allowed")));
    let early = place.call("POST", "/api/v1/sessions/s/fork", &Value::Null).await;
    assert_eq!(conflict(early), (StatusCode::CONFLICT, json!("nothing_to_fork")));
    let nobody = place.call("POST", "/api/v1/sessions/nobody/fork", &Value::Null).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let reuse = json!({"session": {"reuse_existing": true, "session_id": "s"}});
    assert_eq!(place.submit("t", "hello", reuse).await.json()["session_id"], "s");
    place.get("/api/v1/tasks/t/result?wait=60").await;
    let fork = place.call("POST", "/api/v1/sessions/s/fork", &json!({"session_id": "copy"})).await;
    assert_eq!((fork.status, &fork.json()["session_id"]), (StatusCode::CREATED, &json!("copy")));
    let reuse = json!({"session": {"reuse_existing": true, "session_id": "copy"}});
    assert_eq!(place.submit("u", "hello", reuse).await.json()["session_id"], "copy");
    let ended = place.get("/api/v1/tasks/u/result?wait=60").await.json();
    assert_eq!(ended["status"], "completed", "{ended}");
}

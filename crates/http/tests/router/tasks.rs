//! What is told of tasks and sessions.

use std::time::Duration;

use axum::http::StatusCode;
use domain::{Clock, SystemClock};
use engine::Settings;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::place::{KEY, Place};

/// Replaces what differs from run to run.
fn settled(mut body: Value) -> Value {
    for field in ["created_at", "updated_at", "last_activity", "started_at"] {
        if let Some(value) = body.get_mut(field).filter(|value| !value.is_null()) {
            assert!(value.as_str().is_some_and(|time| time.ends_with('Z')), "{value}");
            *value = json!("T");
        }
    }
    if let Some(elapsed) = body.pointer_mut("/progress/elapsed_time_ms") {
        *elapsed = json!(0);
    }
    body
}

fn progress(turns: u64) -> Value {
    json!({"turns": turns, "tokens_used": 0, "tokens_input": 0, "tokens_output": 0, "tokens_cache_read": 0,
           "tokens_cache_creation": 0, "files_modified": 0, "elapsed_time_ms": 0})
}

#[tokio::test(start_paused = true)]
async fn a_result_is_waited_for_and_comes_with_200_only_when_there_is_one() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    place.script.say("hold", "…").await;
    let before = Instant::now();
    let early = place.get("/api/v1/tasks/t/result").await;
    assert_eq!((early.status, before.elapsed()), (StatusCode::ACCEPTED, Duration::ZERO));
    let early = place.get("/api/v1/tasks/t/result?wait=30").await;
    assert_eq!((early.status, before.elapsed().as_secs()), (StatusCode::ACCEPTED, 30));
    assert_eq!((&early.json()["status"], &early.json()["result"]), (&json!("running"), &Value::Null));

    let before = Instant::now();
    let finish = async {
        tokio::time::advance(Duration::from_secs(100)).await;
        place.script.finish("hold").await;
    };
    let (answer, ()) = tokio::join!(place.get("/api/v1/tasks/t/result?wait=300"), finish);
    assert_eq!((answer.status, before.elapsed().as_secs()), (StatusCode::OK, 100));
    let expected = json!({
        "task_id": "t", "session_id": "session-t", "status": "completed", "progress": progress(1),
        "result": {"exit_code": 0, "summary": "done", "errors": [], "total_cost_usd": 0.25, "structured_output": null},
        "created_at": "T", "updated_at": "T", "attempt": 1, "priority": 0, "question": null, "queue_position": null,
        "estimated_start_at": null, "waiting": null, "depends_on": [], "principal": "default",
        "workspace": place.workspace, "started_at": "T", "labels": {}, "metadata": null,
    });
    assert_eq!(settled(answer.json()), expected);
    assert_eq!(settled(place.get("/api/v1/tasks/t").await.json()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_not_waited_for_when_the_server_stops() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    let before = Instant::now();
    let stop = async { place.state.closing.cancel() };
    let (answer, ()) = tokio::join!(place.get("/api/v1/tasks/t/result?wait=300"), stop);
    assert_eq!((answer.status, before.elapsed()), (StatusCode::ACCEPTED, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_task_tells_its_place_and_when_it_may_start() {
    let place = Place::with(Settings { max_agents: 1, ..Settings::default() }, None).await;
    place.submit("runs", "hold", Value::Null).await;
    place.script.say("hold", "…").await;
    place.submit("first", "hello", json!({"priority": 5})).await;
    let start = SystemClock.now().after(Duration::from_secs(24 * 3600)).to_string();
    let more = json!({"priority": -3, "depends_on": ["runs"], "start_at": start});
    let answer = place.submit("second", "hello", more).await;
    assert_eq!(answer.status, StatusCode::OK);
    let expected = json!({
        "task_id": "second", "session_id": "session-second", "status": "pending",
        "websocket_url": "ws://server/ws/tasks/second", "created_at": "T", "queue_position": 2,
        "estimated_start_at": start,
    });
    assert_eq!(settled(answer.json()), expected);
    let expected = json!({
        "task_id": "second", "session_id": "session-second", "status": "pending", "progress": progress(0),
        "result": null, "created_at": "T", "updated_at": "T", "attempt": 0, "priority": -3, "question": null, "queue_position": 2,
        "estimated_start_at": start, "waiting": null, "depends_on": ["runs"], "principal": "default",
        "workspace": place.workspace, "started_at": null, "labels": {}, "metadata": null,
    });
    assert_eq!(settled(place.get("/api/v1/tasks/second").await.json()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_told_as_in_the_list_and_without_its_conversation() {
    let place = Place::new().await;
    place.run("t", "hello").await;
    let answer = place.get("/api/v1/sessions/session-t").await;
    assert_eq!(place.get("/api/v1/sessions").await.json()["sessions"], json!([answer.json()]));
    let expected = json!({
        "session_id": "session-t", "tasks": ["t"], "status": answer.json()["status"], "created_at": "T",
        "last_activity": "T", "principal": "default", "workspace": place.workspace,
    });
    assert_eq!((answer.status, settled(answer.json())), (StatusCode::OK, expected));
    for path in ["/api/v1/sessions/session-x", "/api/v1/sessions/%2F"] {
        let answer = place.get(path).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (StatusCode::NOT_FOUND, &json!("session_not_found"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_tasks_and_wrong_waits_are_refused() {
    let place = Place::new().await;
    let answer = place.get("/api/v1/tasks/none/result?wait=300").await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::NOT_FOUND, &json!("task_not_found")));
    let answer = place.get("/api/v1/tasks/none/result?wait=301").await;
    let expected = json!([{"pointer": "?wait", "detail": "must be a whole number from 0 to 300"}]);
    assert_eq!((answer.status, &answer.json()["errors"]), (StatusCode::UNPROCESSABLE_ENTITY, &expected));
}

#[tokio::test(start_paused = true)]
async fn every_path_needs_the_key_when_there_is_one() {
    let place = Place::with(Settings::default(), Some(KEY)).await;
    for path in [
        "/api/v1/tasks/t/events",
        "/api/v1/tasks/t/result",
        "/api/v1/events",
        "/api/v1/sessions/s",
        "/ws/tasks/t",
        "/ws/events",
    ] {
        let none = place.get(path).await;
        assert_eq!(
            (none.status, &none.json()["code"]),
            (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
            "{path}"
        );
        let wrong = place.get_with(path, &[("authorization", "Bearer wrong")]).await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN, "{path}");
        let right = place.get_with(path, &[("x-api-key", KEY)]).await;
        assert!(
            matches!(right.status, StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::UPGRADE_REQUIRED),
            "{path}"
        );
    }
}

//! `POST /api/v1/tasks`: when a task is worked on, in which conversation, and what is refused.

use std::time::Duration;

use axum::http::StatusCode;
use domain::{OnQuestion, OnRestart, OnStall, Policy, Retry, TaskId, TaskSpec};
use engine::Settings;
use serde_json::{Value, json};

use crate::place::Place;

async fn spec(place: &Place, id: &str) -> TaskSpec {
    let view = place.state.engine.task(&TaskId::parse(id).expect("valid")).await.expect("read");
    TaskSpec::clone(&view.expect("there").record.spec)
}

#[tokio::test(start_paused = true)]
async fn a_delay_counts_from_the_admission_and_a_retry_is_the_same_task() {
    let place = Place::new().await;
    let delay = json!({"delay_seconds": 3600});
    let first = place.submit("t", "hello", delay.clone()).await;
    assert_eq!((first.status, &first.json()["status"]), (StatusCode::OK, &json!("pending")));
    let created = first.json()["created_at"].as_str().and_then(domain::Timestamp::parse).expect("a time");
    let start = spec(&place, "t").await.schedule.start_at.expect("a moment");
    // The moment is taken just before the admission.
    let delay_left = start.since(created);
    assert!(
        delay_left > Duration::from_secs(3590) && delay_left <= Duration::from_secs(3600),
        "{delay_left:?}"
    );
    let again = place.submit("t", "hello", delay).await;
    assert_eq!((again.status, again.json()), (StatusCode::OK, first.json()));
    for other in [json!({"delay_seconds": 3601}), json!({"start_at": start.to_string()}), Value::Null] {
        let answer = place.submit("t", "hello", other).await;
        assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::CONFLICT, &json!("task_id_taken")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_deleted_is_not_begun_anew_in_its_session_by_accident() {
    let place = Place::new().await;
    place.run("t", "hello").await;
    assert_eq!(place.call("DELETE", "/api/v1/tasks/t", &Value::Null).await.status, StatusCode::OK);
    let again = place.submit("t", "hello", Value::Null).await;
    let detail = "the task's session session-t is there already: delete it, go on in it with session.reuse_existing and \
                  session.session_id, or choose another task id";
    let told = (again.status, again.json()["code"].clone(), again.json()["detail"].clone());
    assert_eq!(told, (StatusCode::CONFLICT, json!("session_id_taken"), json!(detail)));
    let goes_on = json!({"session": {"reuse_existing": true, "session_id": "session-t"}});
    assert_eq!(place.submit("t", "hello", goes_on).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_policy_and_a_budget_reach_the_engine() {
    let place = Place::new().await;
    let more = json!({
        "retry": {"max_attempts": 3, "after_side_effects": true},
        "options": {"max_budget_usd": 1.5, "background_timeout": 60, "on_restart": "resume", "on_stall": "fail",
            "on_question": "ask", "answer_within": 90},
    });
    assert_eq!(place.submit("t", "hello", more).await.status, StatusCode::OK);
    let expected = Policy {
        retry: Retry { max_attempts: 3, after_side_effects: true },
        on_restart: OnRestart::Resume,
        on_stall: OnStall::Fail,
        background: Duration::from_secs(60),
        on_question: OnQuestion::Ask,
        answer_within: Duration::from_secs(90),
    };
    let spec = spec(&place, "t").await;
    assert_eq!((spec.policy, spec.options.max_budget_usd), (expected, Some(1.5)));
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_is_waited_for_refused_interrupted_or_forked() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    place.script.say("hold", "…").await;
    let reuse = |when_busy: &str| json!({"session": {"reuse_existing": true, "session_id": "session-t", "when_busy": when_busy}});
    let rejected = place.submit("rejected", "hello", reuse("reject")).await;
    assert_eq!(
        (rejected.status, &rejected.json()["code"], &rejected.json()["detail"]),
        (
            StatusCode::CONFLICT,
            &json!("session_busy"),
            &json!(
                "the session is busy with t: wait, or set session.when_busy to enqueue, interrupt or fork"
            )
        )
    );
    let forked = place.submit("forked", "hello", reuse("fork")).await;
    assert_eq!((forked.status, &forked.json()["session_id"]), (StatusCode::OK, &json!("session-forked")));
    let copy = json!({"session": {"fork": true, "session_id": "session-t"}});
    let copied = place.submit("copied", "hello", copy).await;
    assert_eq!((copied.status, &copied.json()["session_id"]), (StatusCode::OK, &json!("session-copied")));
    for copy in ["forked", "copied"] {
        let answer = place.get(&format!("/api/v1/tasks/{copy}/result?wait=300")).await;
        assert_eq!(answer.json()["status"], json!("completed"), "{copy}");
    }
    let queued = place.submit("queued", "hello", reuse("enqueue")).await.json();
    assert_eq!((&queued["session_id"], &queued["status"]), (&json!("session-t"), &json!("pending")));
    assert_eq!(queued["queue_position"], json!(1));
    assert_eq!(place.submit("next", "hello", reuse("interrupt")).await.status, StatusCode::OK);
    for (task, status) in [("t", "interrupted"), ("queued", "interrupted"), ("next", "completed")] {
        let answer = place.get(&format!("/api/v1/tasks/{task}/result?wait=300")).await;
        assert_eq!(answer.json()["status"], json!(status), "{task}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused() {
    let place = Place::with(Settings { max_agents: 1, max_pending: 1, ..Settings::default() }, None).await;
    let unknown = place.submit("t", "hello", json!({"depends_on": ["none"]})).await;
    let expected = json!([{
        "pointer": "/depends_on", "detail": "names none, and there is no such task: submit that one first",
    }]);
    assert_eq!((unknown.status, &unknown.json()["errors"]), (StatusCode::UNPROCESSABLE_ENTITY, &expected));
    let lost = place.submit("t", "hello", json!({"session": {"fork": true, "session_id": "s"}})).await;
    assert_eq!((lost.status, &lost.json()["code"]), (StatusCode::NOT_FOUND, &json!("session_not_found")));
    let later = json!({"delay_seconds": 60});
    assert_eq!(place.submit("waits", "hello", later).await.status, StatusCode::OK);
    let copy = json!({"session": {"fork": true, "session_id": "session-waits"}});
    let nothing = place.submit("t", "hello", copy).await;
    assert_eq!((nothing.status, &nothing.json()["code"]), (StatusCode::CONFLICT, &json!("nothing_to_fork")));
    let full = place.submit("t", "hello", Value::Null).await;
    assert_eq!((full.status, &full.json()["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("queue_full")));
    let seconds = full.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    assert_eq!(seconds, Some(10));
}

//! Questions of agents, and their answers.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::place::{Answer, Place, read};

const INPUT: &str = r#"{"questions":[{"question":"Which?"}]}"#;

async fn answer(place: &Place, task: &str, body: &Value) -> Answer {
    let request = Request::post(format!("/api/v1/tasks/{task}/answers")).body(Body::from(body.to_string()));
    read(place.send(request.expect("a request")).await).await
}

/// A task that waits for the answer to a question of that tool; gives the question.
async fn asked(place: &Place, tool: &str) -> Value {
    let asks = json!({"options": {"on_question": "ask", "answer_within": 60}});
    assert_eq!(place.submit("t", "hold", asks).await.status, StatusCode::OK);
    place.script.ask("hold", tool, INPUT).await;
    place.event("t", "agent_question").await
}

/// What the agent said last.
async fn said(place: &Place) -> String {
    let stored = place.stored("t").await;
    let mut events = stored.iter().rev().map(|(_, json)| serde_json::from_str::<Value>(json).expect("JSON"));
    let last = events.find(|event| event["data"]["message_type"] == "assistant").expect("a text");
    last["data"]["content"].as_str().expect("a text").to_owned()
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json()["code"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_for_an_answer_and_goes_on_with_it() {
    let place = Place::new().await;
    let told = asked(&place, "Bash").await;
    let task = place.get("/api/v1/tasks/t").await.json();
    assert_eq!((&task["status"], &task["waiting"]["reason"]), (&json!("running"), &json!("answer")));
    let question = &task["question"];
    let expected = json!({
        "question_id": told["data"]["data"]["question_id"], "tool_name": "Bash", "tool_use_id": "call",
        "tool_input": {"questions": [{"question": "Which?"}]}, "description": "a line", "reason": "a rule",
        "asked_at": question["asked_at"], "expires_at": task["waiting"]["until"],
    });
    assert_eq!(*question, expected);
    let body = json!({"question_id": question["question_id"], "decision": "allow", "message": "go ahead"});
    let answered = answer(&place, "t", &body).await;
    assert_eq!((answered.status, &answered.json()["question"]), (StatusCode::OK, &Value::Null));
    assert_eq!(answer(&place, "t", &body).await.status, StatusCode::OK, "it may be said again");
    let other = json!({"question_id": question["question_id"], "decision": "deny"});
    assert_eq!(code(&answer(&place, "t", &other).await), (409, json!("already_answered")));
    let heard = place.event("t", "agent_answer").await;
    assert_eq!(heard["data"]["data"]["decision"], "allow");
    let result = place.get("/api/v1/tasks/t/result?wait=300").await.json();
    let told = "A person has decided about the call of Bash with the input \
                {\"questions\":[{\"question\":\"Which?\"}]}: it is allowed. Make it again just so. They say: go ahead";
    assert_eq!((&result["status"], &result["attempt"]), (&json!("completed"), &json!(2)));
    assert_eq!(said(&place).await, told, "the agent repeats what it was told");
    assert_eq!(code(&answer(&place, "t", &body).await), (409, json!("task_finished")));
}

#[tokio::test(start_paused = true)]
async fn a_choice_becomes_part_of_the_input() {
    let place = Place::new().await;
    let question = asked(&place, "AskUserQuestion").await["data"]["data"]["question_id"].clone();
    let body = json!({"question_id": question, "decision": "allow", "answers": {"Which?": "this"}});
    let with = |answers: Value| json!({"question_id": question, "decision": "allow", "answers": answers});
    for (answers, detail) in [
        (json!({}), "/answers does not answer \"Which?\""),
        (json!({"Which?": "this", "Why?": "so"}), "/answers answers \"Why?\", which was not asked"),
        (Value::Null, "/answers is required: the choice for each question, or deny"),
    ] {
        let refused = answer(&place, "t", &with(answers)).await;
        assert_eq!((refused.status.as_u16(), refused.json()["detail"].as_str()), (422, Some(detail)));
    }
    let always = json!({"question_id": question, "decision": "deny", "remember": true});
    assert_eq!(answer(&place, "t", &always).await.json()["errors"][0]["pointer"], "/remember");
    assert_eq!(answer(&place, "t", &body).await.status, StatusCode::OK);
    assert_eq!(answer(&place, "t", &body).await.status, StatusCode::OK);
    let result = place.get("/api/v1/tasks/t/result?wait=300").await.json();
    assert_eq!(result["status"], "completed");
    let said = said(&place).await;
    let input = r#"{"answers":{"Which?":"this"},"questions":[{"question":"Which?"}]}"#;
    assert!(said.contains(input), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_fits_nothing_is_refused() {
    let place = Place::new().await;
    let nobody = json!({"question_id": "00000000-0000-0000-0000-000000000007", "decision": "deny"});
    assert_eq!(code(&answer(&place, "nobody", &nobody).await), (404, json!("task_not_found")));
    let question = asked(&place, "Bash").await["data"]["data"]["question_id"].clone();
    assert_eq!(code(&answer(&place, "t", &nobody).await), (404, json!("question_not_found")));
    assert_eq!(
        code(&answer(&place, "t", &json!({"decision": "allow"})).await),
        (422, json!("invalid_request"))
    );
    let choice = json!({"question_id": question, "decision": "allow", "answers": {"Which?": "this"}});
    let refused = answer(&place, "t", &choice).await;
    assert_eq!(refused.json()["errors"][0]["pointer"], "/answers", "{}", refused.text);
    assert_eq!(place.get("/api/v1/tasks/t").await.json()["question"]["question_id"], question);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_an_answer_can_be_stopped() {
    let place = Place::new().await;
    asked(&place, "Bash").await;
    let request = Request::post("/api/v1/tasks/t/interrupt").body(Body::empty()).expect("a request");
    let stopped = read(place.send(request).await).await;
    assert_eq!((stopped.status, &stopped.json()["status"]), (StatusCode::OK, &json!("interrupted")));
    assert_eq!(place.get("/api/v1/tasks/t").await.json()["question"], Value::Null);
    let nothing = json!({"question_id": "00000000-0000-0000-0000-000000000007", "decision": "deny"});
    assert_eq!(code(&answer(&place, "t", &nothing).await), (409, json!("task_finished")));
}

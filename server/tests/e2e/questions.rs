//! Agents that ask for a permission, and people who take their time to answer.

use serde_json::{Value, json};
use testing::{Server, ServerBuilder, pinned_cli};

use crate::place::Place;
use crate::{BINARY, task};

/// With a single agent: whoever holds it keeps everybody else waiting.
async fn one_agent() -> Server {
    ServerBuilder::demo(BINARY).variable("SESSION_MAX_CONCURRENT", "1").start().await
}

fn asking(server: &Server, id: &str, prompt: &str) -> Value {
    with_asking(task(server, id, prompt))
}

fn with_asking(mut body: Value) -> Value {
    body["options"] = json!({"on_question": "ask", "permission_mode": "default", "allowed_tools": []});
    body
}

/// Submits a task and waits until it waits for an answer; gives the question.
async fn asked(server: &Server, body: &Value) -> Value {
    server.submit(body).await;
    let id = body["task_id"].as_str().expect("an id");
    let is_question = |event: &Value| event["data"]["subtype"] == "agent_question";
    server.stream(id, "").await.wait_for("a question", is_question).await;
    let (_, task) = server.get(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(task["waiting"]["reason"], json!("answer"), "{task}");
    task["question"].clone()
}

async fn answer(server: &Server, id: &str, question: &Value, more: Value) {
    let mut body = json!({"question_id": question["question_id"]});
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    let (status, told) = server.post(&format!("/api/v1/tasks/{id}/answers"), &body).await;
    assert_eq!(status, 200, "{told}");
}

async fn end_of(server: &Server, id: &str) -> (Value, Vec<Value>) {
    let finished = server.stream(id, "").await.finish().await;
    (finished.assert_whole(), finished.events())
}

#[tokio::test]
async fn while_a_person_thinks_others_have_the_agent_and_the_call_runs_when_it_is_allowed() {
    let server = one_agent().await;
    let file = server.workspace("asks").join("a.txt");
    let question = asked(&server, &asking(&server, "asks", "[[write a.txt hello]] [[say never]]")).await;
    assert_eq!(question["tool_name"], json!("Write"), "{question}");
    assert_eq!(question["tool_input"]["content"], json!("hello"), "{question}");
    server.submit(&task(&server, "other", "[[say through]]")).await;
    assert_eq!(end_of(&server, "other").await.0["summary"], json!("through"), "the permit is free");
    assert!(!file.exists(), "nobody has allowed it");
    let told = json!({"decision": "allow", "message": "[[write a.txt hello]] [[say went on]]"});
    answer(&server, "asks", &question, told).await;
    let (complete, events) = end_of(&server, "asks").await;
    assert_eq!(
        (&complete["status"], &complete["summary"]),
        (&json!("completed"), &json!("went on")),
        "{complete}"
    );
    assert_eq!(std::fs::read_to_string(file).ok().as_deref(), Some("hello"));
    let heard = events.iter().filter(|event| event["data"]["subtype"] == "agent_question").count();
    assert_eq!(heard, 1, "what was allowed is not asked again");
}

#[tokio::test]
async fn what_is_denied_does_not_run_and_what_is_remembered_is_not_asked_again() {
    let server = one_agent().await;
    let workspace = server.workspace("asks");
    let question = asked(&server, &asking(&server, "asks", "[[write a.txt x]] [[say never]]")).await;
    let told = json!({"decision": "deny", "message": "[[write a.txt x]] [[bash touch b.txt]] [[say never]]"});
    answer(&server, "asks", &question, told).await;
    let is_bash = |event: &Value| event["data"]["data"]["tool_name"] == "Bash";
    server.stream("asks", "").await.wait_for("the next question", is_bash).await;
    let (_, task) = server.get("/api/v1/tasks/asks").await;
    let told = json!({
        "decision": "allow", "remember": true,
        "message": "[[bash touch c.txt]] [[bash touch d.txt]] [[say done]]",
    });
    answer(&server, "asks", &task["question"], told).await;
    assert_eq!(end_of(&server, "asks").await.0["summary"], json!("done"));
    let there = ["a.txt", "b.txt", "c.txt", "d.txt"].map(|name| workspace.join(name).exists());
    assert_eq!(there, [false, false, true, true]);
}

#[tokio::test]
async fn a_choice_is_given_to_the_agent_as_if_the_person_sat_there() {
    let server = one_agent().await;
    let ask = "[[ask Which one?|Red|Blue]]";
    let question = asked(&server, &asking(&server, "asks", &format!("{ask} [[say never]]"))).await;
    assert_eq!(question["tool_input"]["questions"][0]["question"], json!("Which one?"), "{question}");
    let told = json!({
        "decision": "allow", "answers": {"Which one?": "Blue"}, "message": format!("{ask} [[say chosen]]"),
    });
    answer(&server, "asks", &question, told).await;
    let (complete, events) = end_of(&server, "asks").await;
    assert_eq!(complete["summary"], json!("chosen"), "{complete}");
    let result = events.iter().rev().find(|event| event["type"] == "tool_result").expect("a result");
    assert!(result["data"]["content"].as_str().is_some_and(|text| text.contains("Blue")), "{result}");
}

#[tokio::test]
async fn an_approved_plan_is_carried_out_and_one_permission_is_for_one_call() {
    let server = one_agent().await;
    let plan = r#"[[tool ExitPlanMode {"plan":"Write a file."}]]"#;
    let mut body = asking(&server, "asks", &format!("{plan} [[say never]]"));
    body["options"]["permission_mode"] = json!("plan");
    let question = asked(&server, &body).await;
    assert_eq!(question["tool_name"], json!("ExitPlanMode"), "{question}");
    answer(
        &server,
        "asks",
        &question,
        json!({"decision": "allow", "message": "[[write a.txt 1]] [[say never]]"}),
    )
    .await;
    let is_write = |event: &Value| {
        event["data"]["data"]["tool_name"] == "Write" && event["data"]["subtype"] == "agent_question"
    };
    let asked_to_write =
        server.stream("asks", "").await.wait_for("a question about the file", is_write).await;
    let (_, task) = server.get("/api/v1/tasks/asks").await;
    let told = json!({"decision": "allow", "message": "[[write a.txt 1]] [[write a.txt 1]] [[say never]]"});
    answer(&server, "asks", &task["question"], told).await;
    let after = format!("?after={}", asked_to_write["seq"]);
    server.stream("asks", &after).await.wait_for("the same call again", is_write).await;
    let (_, task) = server.get("/api/v1/tasks/asks").await;
    answer(&server, "asks", &task["question"], json!({"decision": "deny", "message": "[[say done]]"})).await;
    assert_eq!(end_of(&server, "asks").await.0["summary"], json!("done"));
    assert_eq!(std::fs::read_to_string(server.workspace("asks").join("a.txt")).ok().as_deref(), Some("1"));
}

#[tokio::test]
async fn a_question_outlives_the_server_and_is_refused_when_nobody_answers() {
    let place = Place::new();
    let server = place.server(&pinned_cli(), &[]).await;
    let body = |id: &str| {
        with_asking(json!({
            "task_id": id, "prompt": "[[write a.txt x]] [[say never]]", "workspace": place.workspace(id),
        }))
    };
    let mut kept = body("kept");
    kept["options"]["on_restart"] = json!("resume");
    let kept = asked(&server, &kept).await;
    let mut body = body("late");
    body["options"]["answer_within"] = json!(1);
    server.submit(&body).await;
    let (complete, events) = end_of(&server, "late").await;
    assert_eq!(complete["status"], json!("completed"), "{complete}");
    let is_answer = |event: &&Value| event["data"]["subtype"] == "agent_answer";
    let told = events.iter().find(is_answer).expect("an answer");
    assert_eq!(told["data"]["data"]["expired"], json!(true), "{told}");
    server.kill().await;
    let server = place.server(&pinned_cli(), &[]).await;
    let (_, task) = server.get("/api/v1/tasks/kept").await;
    assert_eq!(task["question"], kept);
    answer(&server, "kept", &kept, json!({"decision": "deny", "message": "[[say understood]]"})).await;
    // Whether or not an agent has been started for it by now.
    server.kill().await;
    let server = place.server(&pinned_cli(), &[]).await;
    assert_eq!(end_of(&server, "kept").await.0["summary"], json!("understood"));
    assert!(!place.workspace("kept").join("a.txt").exists());
}

//! Agents between tasks: kept, hibernated, taken for others, prepared; forks and deletion.

use std::time::Duration;

use serde_json::{Value, json};
use testing::{Server, ServerBuilder, wait_until_none_mention, which_mention};

use crate::{BINARY, demo, task};

/// A second task of the session that the task `first` began.
fn next(server: &Server, id: &str, first: &str, prompt: &str, session: Value) -> Value {
    let mut choice = json!({"reuse_existing": true, "session_id": format!("session-{first}")});
    if let (Some(choice), Some(session)) = (choice.as_object_mut(), session.as_object()) {
        choice.extend(session.clone());
    }
    json!({"task_id": id, "prompt": prompt, "workspace": server.workspace(first), "session": choice})
}

/// Runs a task to its end; gives its events.
async fn run(server: &Server, body: &Value) -> Vec<Value> {
    server.submit(body).await;
    let finished = server.stream(body["task_id"].as_str().expect("an id"), "").await.finish().await;
    let complete = finished.assert_whole();
    assert_eq!(complete["status"], json!("completed"), "{complete}");
    finished.events()
}

fn summary(events: &[Value]) -> &str {
    events.last().and_then(|event| event["data"]["summary"].as_str()).expect("a summary")
}

/// What the task's only tool said.
fn tool_result(events: &[Value]) -> String {
    let result = events.iter().find(|event| event["type"] == "tool_result").expect("a tool result");
    result["data"]["content"].as_str().expect("text").trim().to_owned()
}

/// The process in which a task's agent runs, as its shell sees it.
const WHICH_PROCESS: &str = "[[bash echo $PPID]]";

#[tokio::test]
async fn a_session_keeps_its_process_for_the_next_task_unless_it_wants_another() {
    let server = demo().await;
    let first = tool_result(&run(&server, &task(&server, "one", WHICH_PROCESS)).await);
    let second = tool_result(&run(&server, &next(&server, "two", "one", WHICH_PROCESS, json!({}))).await);
    assert_eq!(second, first, "the same process takes the next prompt");
    let mut other = next(&server, "three", "one", WHICH_PROCESS, json!({}));
    other["options"] = json!({"max_turns": 7});
    let third = tool_result(&run(&server, &other).await);
    assert_ne!(third, first, "a process cannot change what it was started with");
    let events = run(&server, &next(&server, "four", "one", "[[history]]", json!({}))).await;
    assert_eq!(summary(&events).matches("echo").count(), 3, "{events:?}");
}

#[tokio::test]
async fn an_idle_session_hibernates_and_remembers() {
    let server = ServerBuilder::demo(BINARY)
        .variable("SESSION_IDLE_TIMEOUT_SECONDS", "1")
        .variable("SESSION_CLEANUP_INTERVAL_SECONDS", "1")
        .start()
        .await;
    run(&server, &task(&server, "one", "[[say The word is quince.]]")).await;
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(20)).await;
    let (_, session) = server.get("/api/v1/sessions/session-one").await;
    assert_eq!((&session["status"], &session["tasks"]), (&json!("idle"), &json!(["one"])));
    let events = run(&server, &next(&server, "two", "one", "[[history]]", json!({}))).await;
    assert!(summary(&events).contains("quince"), "{events:?}");
}

#[tokio::test]
async fn a_permit_that_somebody_else_needs_is_taken_from_whoever_waited_longest() {
    let server = ServerBuilder::demo(BINARY).variable("SESSION_MAX_CONCURRENT", "2").start().await;
    for id in ["a", "b", "c"] {
        run(&server, &task(&server, id, WHICH_PROCESS)).await;
        assert!(which_mention(&server.agents_folder()).len() <= 2);
    }
    let events = run(&server, &next(&server, "again", "a", "[[history]]", json!({}))).await;
    assert!(summary(&events).contains("echo"), "{events:?}");
    assert!(which_mention(&server.agents_folder()).len() <= 2);
}

#[tokio::test]
async fn an_agent_that_was_prepared_takes_the_first_task_of_a_new_session() {
    takes_the_prepared_agent(ServerBuilder::demo(BINARY)).await;
    // What callers may ask for is what one gets who asks for nothing.
    let bounded = ServerBuilder::demo(BINARY)
        .variable("POLICY_MAX_BUDGET_USD", "2.5")
        .variable("POLICY_MAX_TURNS", "7");
    takes_the_prepared_agent(bounded).await;
}

async fn takes_the_prepared_agent(builder: ServerBuilder) {
    let server = builder.variable("SESSION_PREWARM", "1").start().await;
    let spare = loop {
        if let [spare] = which_mention(&server.agents_folder()).as_slice() {
            break *spare;
        }
        // The process table has no event to wait for.
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut process = String::new();
    // It may still be getting ready when the first task comes.
    for id in ["one", "two", "three"] {
        process = tool_result(&run(&server, &task(&server, id, WHICH_PROCESS)).await);
        if process == spare.to_string() {
            break;
        }
    }
    assert_eq!(process, spare.to_string());
}

#[tokio::test]
async fn a_fork_begins_with_the_conversation_and_leaves_it_as_it_was() {
    let server = demo().await;
    run(&server, &task(&server, "one", "[[say The word is medlar.]]")).await;
    let mut fork = next(&server, "two", "one", "[[history]]", json!({}));
    fork["session"] = json!({"fork": true, "session_id": "session-one"});
    assert!(summary(&run(&server, &fork).await).contains("medlar"));
    assert_eq!(server.get("/api/v1/tasks/two").await.1["session_id"], json!("session-two"));
    let origin = run(&server, &next(&server, "three", "one", "[[history]]", json!({}))).await;
    assert!(!summary(&origin).contains("history"), "{origin:?}");
}

#[tokio::test]
async fn a_deleted_session_leaves_no_process_and_no_conversation() {
    let server = demo().await;
    run(&server, &task(&server, "one", "[[say hi]]")).await;
    let projects = server.agents_folder().join("default/config/projects");
    let transcripts = || walk(&projects).into_iter().filter(|path| path.ends_with(".jsonl")).count();
    assert_eq!(transcripts(), 1);
    let (status, _) = Server::send(server.request("DELETE", "/api/v1/sessions/session-one")).await;
    assert_eq!((status, transcripts()), (200, 0));
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(5)).await;
    assert_eq!(server.get("/api/v1/tasks/one").await.1["status"], json!("completed"));
}

#[tokio::test]
async fn a_session_whose_agent_gives_up_its_place_is_deleted_with_its_conversation() {
    let server = ServerBuilder::demo(BINARY).variable("SESSION_MAX_CONCURRENT", "1").start().await;
    let conversations = || {
        let projects = server.agents_folder().join("default/config/projects");
        walk(&projects).into_iter().filter(|path| path.ends_with(".jsonl")).collect::<Vec<_>>()
    };
    for round in 0..3 {
        let [first, second] = ["first", "second"].map(|name| format!("{name}-{round}"));
        server.submit(&task(&server, &first, "[[sleep 200]] [[say hi]]")).await;
        let stream = server.stream(&first, "").await;
        server.submit(&task(&server, &second, "[[say ho]]")).await;
        stream.finish().await.assert_whole();
        // The second task's agent can begin only when the first one's has ended.
        for id in [&first, &second] {
            server.stream(id, "").await.finish().await.assert_whole();
            let path = format!("/api/v1/sessions/session-{id}");
            assert_eq!(Server::send(server.request("DELETE", &path)).await.0, 200, "{id}");
        }
        assert_eq!(conversations(), Vec::<String>::new());
    }
}

pub(crate) fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let below = entries.flat_map(|entry| match entry.path().is_dir() {
        true => walk(&entry.path()),
        false => vec![entry.path().display().to_string()],
    });
    below.collect()
}

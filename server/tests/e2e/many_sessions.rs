//! More sessions than agents: those that wait have no process, and forget nothing.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testing::{AgentWatch, Server, ServerBuilder};

use crate::BINARY;

const SESSIONS: usize = 10;

fn word(session: usize) -> String {
    format!("The word is w{session}.")
}

/// Gives each session a task at once; returns how they ended.
async fn round(server: &Server, body: impl Fn(usize) -> Value) -> Vec<Value> {
    join_all((0..SESSIONS).map(|session| {
        let body = body(session);
        async move {
            server.submit(&body).await;
            let id = body["task_id"].as_str().expect("an id");
            server.stream(id, "").await.finish().await.assert_whole()
        }
    }))
    .await
}

#[tokio::test]
async fn ten_sessions_remember_on_two_agents() {
    let server = ServerBuilder::demo(BINARY).variable("SESSION_MAX_CONCURRENT", "2").start().await;
    let watch = AgentWatch::of(server.pid());
    let workspace = server.workspace("shared");
    let first = |session| {
        let prompt = format!("[[say {}]]", word(session));
        json!({"task_id": format!("s{session}"), "prompt": prompt, "workspace": workspace})
    };
    let said: Vec<_> =
        round(&server, first).await.iter().map(|complete| complete["summary"].clone()).collect();
    assert_eq!(said, (0..SESSIONS).map(word).map(Value::from).collect::<Vec<_>>());
    let second = |session| {
        let choice = json!({"reuse_existing": true, "session_id": format!("session-s{session}")});
        json!({"task_id": format!("s{session}-again"), "prompt": "[[history]]", "workspace": workspace, "session": choice})
    };
    for (session, complete) in round(&server, second).await.iter().enumerate() {
        let recalled = complete["summary"].as_str().expect("a text");
        let others = (0..SESSIONS).filter(|other| recalled.contains(&word(*other))).collect::<Vec<_>>();
        assert_eq!((&complete["status"], others), (&json!("completed"), vec![session]), "{complete}");
    }
    let (most, looks) = watch.most();
    assert!(looks > 0 && most == 2, "{most} agents at once, seen in {looks} looks");
}

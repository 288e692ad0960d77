//! What people say to an agent while it works.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testing::{Server, pinned_cli};

use crate::place::Place;
use crate::session_life::walk;
use crate::{demo, is_tool_use, task};

/// A command that waits for a file of that name.
const WAIT: &str = "[[bash python3 -c 'while not __import__(\"os\").path.exists(\"go\"): __import__(\"time\").sleep(0.05)']]";

async fn say(server: &Server, id: &str, text: &str) -> (u16, Value) {
    server.post(&format!("/api/v1/tasks/{id}/messages"), &json!({"text": text})).await
}

fn is_message(event: &Value) -> bool {
    event["data"]["subtype"] == "task_message"
}

#[tokio::test]
async fn an_agent_hears_what_is_said_while_it_works() {
    let server = demo().await;
    server.submit(&task(&server, "t", &format!("{WAIT} [[say first]]"))).await;
    let mut stream = server.stream("t", "").await;
    stream.wait_for("a tool call", is_tool_use).await;
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let message = json!({"text": "[[say heard it]]", "message_id": id});
    let receipt = json!({"task_id": "t", "message_id": id});
    for _ in 0..2 {
        // Whoever got no answer says it again.
        assert_eq!(server.post("/api/v1/tasks/t/messages", &message).await, (200, receipt.clone()));
    }
    std::fs::write(server.workspace("t").join("go"), "").expect("written");
    let finished = stream.finish().await;
    let told: Vec<_> = finished.events().into_iter().filter(is_message).collect();
    assert_eq!(told.len(), 1);
    let data = &told[0]["data"];
    assert_eq!((&data["message_type"], &data["content"]), (&json!("user"), &json!("[[say heard it]]")));
    assert_eq!(data["data"]["message_id"], receipt["message_id"]);
    let complete = finished.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["summary"]),
        (&json!("completed"), &json!("heard it")),
        "{complete}"
    );
    let (status, problem) = say(&server, "t", "too late").await;
    assert_eq!((status, &problem["code"]), (409, &json!("task_state")));
    assert_eq!(say(&server, "nobody", "hello").await.0, 404);
    assert_eq!(say(&server, "t", " ").await.0, 422);
    let no_id = server.post("/api/v1/tasks/t/messages", &json!({"text": "x", "message_id": "1"})).await;
    assert_eq!((no_id.0, &no_id.1["errors"][0]["pointer"]), (422, &json!("/message_id")), "{}", no_id.1);
}

#[tokio::test]
async fn what_a_killed_agent_had_not_heard_is_told_again() {
    let place = Place::new();
    let server = place.server(&pinned_cli(), &[]).await;
    let workspace = place.workspace("w");
    let body = json!({"task_id": "t", "prompt": format!("[[bash true]] {WAIT} [[say first]]"), "workspace": workspace,
                      "options": {"on_restart": "resume"}});
    server.submit(&body).await;
    let mut stream = server.stream("t", "").await;
    stream.wait_for("the end of a tool", |event| event["type"] == "tool_result").await;
    stream.wait_for("the call that waits", is_tool_use).await;
    assert_eq!(say(&server, "t", "[[say heard it]]").await.0, 200);
    server.kill().await;
    std::fs::write(workspace.join("go"), "").expect("written");
    let server = place.server(&pinned_cli(), &[]).await;
    let finished = server.stream("t", "").await.finish().await;
    assert_eq!(finished.assert_whole()["status"], "completed");
    let events = finished.events();
    let said: Vec<_> = events.iter().filter_map(|event| event["data"]["content"].as_str()).collect();
    assert!(said.contains(&"heard it"), "{said:?}");
}

/// A command that notes that it was run, and how often.
const NOTE: &str = "[[bash echo heard >> heard]]";

/// What was noted in the workspace.
fn heard(workspace: &Path) -> String {
    std::fs::read_to_string(workspace.join("heard")).unwrap_or_default()
}

/// A server whose agent has taken a message into its turn, and has not ended it.
struct Taken {
    place: Place,
    server: Server,
    workspace: PathBuf,
}

/// Tells the agent something in mid-turn, and lets it go on to take it.
async fn taken(message: &str) -> Taken {
    let place = Place::new();
    let server = place.server(&pinned_cli(), &[]).await;
    let workspace = place.workspace("w");
    let body = json!({"task_id": "t", "prompt": format!("{WAIT} [[say first]]"), "workspace": workspace,
                      "options": {"on_restart": "resume"}});
    server.submit(&body).await;
    let mut stream = server.stream("t", "").await;
    stream.wait_for("the call that waits", is_tool_use).await;
    assert_eq!(say(&server, "t", message).await.0, 200);
    std::fs::write(workspace.join("go"), "").expect("written");
    Taken { place, server, workspace }
}

impl Taken {
    /// What was said in the task's conversation.
    async fn transcript(&self) -> String {
        let session = self.server.get("/api/v1/tasks/t").await.1["session_id"].clone();
        let path = format!("/api/v1/sessions/{}/transcript", session.as_str().expect("an id"));
        self.server.request("GET", &path).send().await.expect("an answer").text().await.expect("a text")
    }

    /// Whether the CLI has written the message into its file, and such an entry with it or after it.
    fn has_written(&self, kind: &str) -> bool {
        let files = walk(&self.place.agents_folder().join("default/config/projects"));
        let text: String = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        text.find("\"queued_command\"")
            .is_some_and(|place| text.split_at(place).1.contains(&format!("\"{kind}\"")))
    }

    async fn wait_until_written(&self, kind: &str) {
        let written = async {
            while !self.has_written(kind) {
                // A conversation's file has no event to wait for.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), written).await.expect("the CLI writes it down");
    }

    /// Kills the server, and follows the task on the next one to its end.
    async fn killed(self) -> String {
        self.server.kill().await;
        std::fs::write(self.workspace.join("go2"), "").expect("written");
        let server = self.place.server(&pinned_cli(), &[]).await;
        let finished = server.stream("t", "").await.finish().await;
        let complete = finished.assert_whole();
        assert_eq!(
            (&complete["status"], &complete["summary"]),
            (&json!("completed"), &json!("done")),
            "{complete}"
        );
        heard(&self.workspace)
    }
}

#[tokio::test]
async fn what_a_killed_agent_had_taken_into_its_turn_is_not_told_again() {
    let message = format!("{NOTE} {} [[say done]]", WAIT.replace("\"go\"", "\"go2\""));
    let taken = taken(&message).await;
    taken.wait_until_written("tool_result").await;
    assert_eq!(taken.killed().await, "heard\n");
}

#[tokio::test]
async fn what_a_killed_agent_had_taken_but_the_model_had_not_answered_is_heard_once() {
    // The CLI writes the message down, and some time later where the conversation goes on.
    for last_written in ["queued_command", "last-prompt"] {
        let taken = taken(&format!("[[sleep 4000]] {NOTE} [[say done]]")).await;
        taken.wait_until_written(last_written).await;
        let said = taken.transcript().await;
        assert!(said.contains("[[sleep 4000]]"), "{said}");
        assert_eq!(taken.killed().await, "heard\n", "{last_written}");
    }
}

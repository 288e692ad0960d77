//! Callers who do not give up: they ask again until they have an answer, and reconnect where they were.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::conversations::Written;
use super::mix;

/// Between two tries of somebody whose server is gone.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Who calls.
pub(super) struct Caller {
    url: watch::Receiver<String>,
    http: reqwest::Client,
}

/// What a subscriber has read, over all its connections.
#[derive(Debug, Default)]
pub(super) struct Followed {
    events: Vec<Value>,
    connections: usize,
}

impl Caller {
    pub(super) fn new(url: watch::Receiver<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        Self { url, http: http.expect("a client") }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", *self.url.borrow())
    }

    /// Submits a task until it is admitted. An answer that was lost makes no second task.
    pub(super) async fn submit(&self, body: &Value) {
        loop {
            match self.http.post(self.url("/api/v1/tasks")).json(body).send().await {
                Ok(answer) if answer.status() == 200 => return,
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let text = answer.text().await.unwrap_or_default();
                    assert!(status >= 500, "{body} is refused: {status} {text}");
                }
                Err(_) => {}
            }
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    /// Reads a task's events to `complete`, over as many connections as it takes. Leaves by itself now and then, too.
    pub(super) async fn follow(&self, task: &str) -> Followed {
        let mut followed = Followed::default();
        while !followed.is_complete() {
            let after = followed.events.len();
            let url = self.url(&format!("/ws/tasks/{task}?after={after}")).replacen("http", "ws", 1);
            if let Ok((mut socket, _)) = connect_async(&url).await {
                followed.connections += 1;
                let patience = mix((followed.connections * 31 + task.len() * 7 + after) as u64) % 40;
                let mut left = patience + 3;
                while let Some(Ok(message)) = socket.next().await {
                    let Message::Text(text) = message else { continue };
                    let event: Value = serde_json::from_str(&text).expect("an event is JSON");
                    // Only the error of a task that is not there yet has the number 0: it is none of its events.
                    if event["seq"] == 0 {
                        assert_eq!(event["data"]["code"], "task_not_found", "{event}");
                        break;
                    }
                    followed.events.push(event);
                    left -= 1;
                    if left == 0 {
                        break;
                    }
                }
            }
            if followed.is_complete() {
                return followed;
            }
            sleep(TRY_AGAIN_AFTER).await;
        }
        followed
    }
}

impl Followed {
    fn is_complete(&self) -> bool {
        self.events.last().is_some_and(|event| event["type"] == "complete")
    }

    /// Holds what was read against what the server says of the task.
    pub(super) fn check(&self, id: &str, task: &Value, written: &Written) {
        let seqs: Vec<_> = self.events.iter().map(|event| event["seq"].as_u64().expect("a seq")).collect();
        assert_eq!(seqs, (1..=self.events.len() as u64).collect::<Vec<_>>(), "{id}");
        let completes = self.events.iter().filter(|event| event["type"] == "complete").count();
        assert_eq!(completes, 1, "{id} ends once");
        let complete = &self.events.last().expect("an event")["data"];
        assert_eq!(
            (&complete["status"], &complete["task_id"]),
            (&task["status"], &Value::from(id)),
            "{task}"
        );
        assert_eq!(complete["summary"], task["result"]["summary"], "{task}");
        match complete["status"].as_str() {
            // Who had given the answer when the server died is asked to go on, and has nothing more to say.
            Some("completed") => assert!(complete["summary"] == id || written.was_answered, "{task}"),
            Some("interrupted") => {
                let reason = complete["errors"][0].as_str().unwrap_or_default();
                assert_eq!(reason, "interrupted: the server that ran it ended unexpectedly", "{task}");
            }
            // The CLI writes a prompt down some time after it has begun to work on it. Whether its tools ran is not known then.
            Some("failed") if !written.was_prompted => {
                let reason = "the session's conversation is no longer there to resume: start a new session";
                assert_eq!(complete["errors"][0], reason, "{task}");
            }
            status => unreachable!("{id} ends {status:?}: {complete}"),
        }
    }
}

//! The WebSocket paths, over connections in memory.

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::StreamExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::place::Place;

struct Socket(WebSocketStream<DuplexStream>);

/// What a stream brought: its texts, and how it was closed.
type Brought = (Vec<String>, Option<(u16, String)>);

impl Socket {
    async fn open(place: &Place, path: &str) -> Result<Self, Error> {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let service = TowerToHyperService::new(place.router());
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
        tokio::spawn(connection);
        let (socket, _) = client_async(format!("ws://server{path}"), client).await?;
        Ok(Self(socket))
    }

    /// The next text; `None` when it is closed.
    async fn text(&mut self) -> Option<String> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return Some(text.as_str().to_owned()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    async fn rest(mut self) -> Brought {
        let mut texts = Vec::new();
        let mut closed = None;
        while let Some(Ok(message)) = self.0.next().await {
            match message {
                Message::Text(text) => texts.push(text.as_str().to_owned()),
                Message::Close(frame) => {
                    closed = frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()));
                }
                _ => {}
            }
        }
        (texts, closed)
    }
}

async fn open(place: &Place, path: &str) -> Socket {
    Socket::open(place, path).await.expect("a WebSocket")
}

#[tokio::test(start_paused = true)]
async fn a_tasks_stream_brings_the_stored_bytes_and_closes_with_1000() {
    let place = Place::new().await;
    place.run("t", "hello").await;
    let stored: Vec<_> = place.stored("t").await.into_iter().map(|(_, json)| json).collect();
    let closed = Some((1000, "the task has ended".to_owned()));
    assert_eq!(open(&place, "/ws/tasks/t").await.rest().await, (stored.clone(), closed.clone()));
    assert_eq!(open(&place, "/ws/tasks/t?after=2").await.rest().await, (stored[2..].to_vec(), closed));
}

/// Its answers to the pings of the time when it slept come after the end: they must not cost it what it has not read.
#[tokio::test(start_paused = true)]
async fn a_client_that_slept_through_the_end_gets_all_of_it_when_it_wakes() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    place.script.say("hold", "hello").await;
    let mut socket = open(&place, "/ws/tasks/t").await;
    let first = socket.text().await.expect("an event");
    sleep(Duration::from_secs(90)).await;
    place.script.finish("hold").await;
    sleep(Duration::from_secs(90)).await;
    let (rest, closed) = socket.rest().await;
    let stored: Vec<_> = place.stored("t").await.into_iter().map(|(_, json)| json).collect();
    assert_eq!([vec![first], rest].concat(), stored);
    assert_eq!(closed, Some((1000, "the task has ended".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_task_is_told_and_closed_with_1008() {
    let place = Place::new().await;
    let (texts, closed) = open(&place, "/ws/tasks/none").await.rest().await;
    let [text] = texts.as_slice() else { unreachable!("{texts:?}") };
    let event: Value = serde_json::from_str(text).expect("JSON");
    let data = json!({"error": "there is no task \"none\"", "code": "task_not_found", "retryable": true});
    let expected = json!({
        "type": "error", "timestamp": event["timestamp"], "seq": 0, "task_id": "none", "session_id": null, "data": data,
    });
    assert_eq!(event, expected);
    assert_eq!(closed, Some((1008, "there is no such task".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_closed_with_1012_when_the_server_stops() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    let (task, all) = (open(&place, "/ws/tasks/t").await, open(&place, "/ws/events").await);
    place.state.closing.cancel();
    let reason = |cursor: &str| Some((1012, format!("the server stops: reconnect with ?after={cursor}")));
    assert_eq!((task.rest().await.1, all.rest().await.1), (reason("SEQ"), reason("CURSOR")));
    place.state.streams.close();
    place.state.streams.wait().await;
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_all_tasks_brings_events_with_their_cursors() {
    let place = Place::new().await;
    place.run("before", "hello").await;
    let mut socket = open(&place, "/ws/events?type=message,complete&task_id=a").await;
    let begins: Value = serde_json::from_str(&socket.text().await.expect("a cursor")).expect("JSON");
    place.run("a", "hello").await;
    let mut cursors = Vec::new();
    for (_, json) in place.stored("a").await {
        if json.starts_with("{\"type\":\"message\"") || json.starts_with("{\"type\":\"complete\"") {
            let text = socket.text().await.expect("an event");
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            let cursor = frame["cursor"].as_u64().expect("a cursor");
            assert_eq!(text, format!("{{\"cursor\":{cursor},\"event\":{json}}}"));
            cursors.push(cursor);
        }
    }
    assert!(cursors.is_sorted() && cursors.len() > 1, "{cursors:?}");
    assert!(begins["event"].is_null() && begins["cursor"].as_u64() < cursors.first().copied(), "{begins}");

    let mut again = open(&place, &format!("/ws/events?after={}&type=complete", cursors[0])).await;
    let text = again.text().await.expect("an event");
    let last = cursors.last().expect("a cursor");
    assert!(text.starts_with(&format!("{{\"cursor\":{last},\"event\":{{\"type\":\"complete\"")), "{text}");

    let mut oldest = open(&place, "/ws/events?after=0&type=complete").await;
    let text = oldest.text().await.expect("an event");
    assert!(text.contains("\"task_id\":\"before\""), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_told_when_nothing_is_let_through() {
    let place = Place::new().await;
    let mut socket = open(&place, "/ws/events?type=error").await;
    place.submit("t", "hold", Value::Null).await;
    let text = socket.text().await.expect("a cursor");
    let frame: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(frame, json!({"cursor": frame["cursor"].as_u64().expect("a cursor")}));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_handshake_or_has_wrong_parameters_is_refused() {
    let place = Place::new().await;
    for path in ["/ws/events", "/ws/tasks/t"] {
        let answer = place.get(path).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (StatusCode::UPGRADE_REQUIRED, &json!("upgrade_required"))
        );
        assert_eq!(answer.headers["upgrade"], "websocket");
        assert_eq!(answer.headers["connection"], "upgrade");
        let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
        let (key, version) =
            (("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13"));
        let answer = place.get_with(path, &[&upgrade[..], &[version]].concat()).await;
        let told = (answer.status, &answer.json()["code"]);
        assert_eq!(told, (StatusCode::BAD_REQUEST, &json!("invalid_request")));
        for other in [vec![key], vec![key, ("sec-websocket-version", "8")]] {
            let answer = place.get_with(path, &[&upgrade[..], &other].concat()).await;
            assert_eq!(answer.status, StatusCode::UPGRADE_REQUIRED, "{other:?}");
            assert_eq!(answer.headers["sec-websocket-version"], "13");
        }
        let Err(Error::Http(refused)) = Socket::open(&place, &format!("{path}?after=x")).await else {
            unreachable!("a wrong cursor")
        };
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}

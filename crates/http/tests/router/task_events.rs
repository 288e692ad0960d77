//! `GET /api/v1/tasks/{task_id}/events`.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::place::{Place, frame, kind};

fn document(events: &[(u64, String)], next_after: u64, complete: bool) -> String {
    let events: Vec<_> = events.iter().map(|(_, json)| json.as_str()).collect();
    format!("{{\"events\":[{}],\"next_after\":{next_after},\"complete\":{complete}}}", events.join(","))
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_after_the_last_event_id_and_ends_after_complete() {
    let place = Place::new().await;
    place.run("t", "hello").await;
    let stored = place.stored("t").await;
    assert!(stored.len() > 2, "{stored:?}");
    let frames: Vec<_> = stored.iter().map(|(seq, json)| frame(*seq, json)).collect();
    let path = "/api/v1/tasks/t/events";
    assert_eq!(place.stream(path, &[]).await.rest().await, frames);
    assert_eq!(place.stream(&format!("{path}?after=1"), &[]).await.rest().await, frames[1..]);
    let later = place.stream(&format!("{path}?after=1"), &[("last-event-id", "2")]).await;
    assert_eq!(later.rest().await, frames[2..]);
    assert!(frames.last().expect("frames").contains("event: complete"));

    let end = stored.len().to_string();
    let again = place.get_with(path, &[("accept", "text/event-stream"), ("last-event-id", &end)]).await;
    assert_eq!((again.status, again.text.as_str()), (StatusCode::NO_CONTENT, ""), "no need to reconnect");
    assert_eq!(place.state.streams.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_brings_events_and_keep_alives_and_ends_with_the_server() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    let mut stream = place.stream("/api/v1/tasks/t/events", &[]).await;
    place.script.say("hold", "first").await;
    assert!(stream.frame().await.expect("an event").starts_with("id: 1\nevent: message\ndata: {"));
    let mut next = stream.frame().await;
    // The counters follow what was said.
    while next.as_deref().is_some_and(|frame| frame.contains("event: progress")) {
        next = stream.frame().await;
    }
    assert_eq!(next.as_deref(), Some(": keep-alive"));
    let before = Instant::now();
    assert_eq!(stream.frame().await.as_deref(), Some(": keep-alive"));
    assert_eq!(before.elapsed().as_secs(), 15);
    assert_eq!(place.state.streams.len(), 1);
    place.state.closing.cancel();
    assert_eq!(stream.rest().await, Vec::<String>::new());
    assert_eq!(place.state.streams.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn pages_hold_the_stored_bytes() {
    let place = Place::new().await;
    place.run("t", "hello").await;
    let stored = place.stored("t").await;
    let end = stored.len() as u64;
    for (query, expected) in [
        ("", document(&stored, end, true)),
        ("?after=2&wait=60", document(&stored[2..], end, true)),
        ("?after=999&wait=60", document(&[], 999, true)),
    ] {
        let answer = place.get(&format!("/api/v1/tasks/t/events{query}")).await;
        assert_eq!((answer.status, answer.text), (StatusCode::OK, expected), "{query}");
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().expect("text"));
        assert_eq!((header("content-type"), header("vary")), (Some("application/json"), Some("Accept")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_waited_for_until_there_is_an_event() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    let before = Instant::now();
    let empty = place.get("/api/v1/tasks/t/events").await;
    assert_eq!((empty.text, before.elapsed()), (document(&[], 0, false), Duration::ZERO));
    let empty = place.get("/api/v1/tasks/t/events?wait=7&after=5").await;
    assert_eq!((empty.text, before.elapsed().as_secs()), (document(&[], 5, false), 7));

    let before = Instant::now();
    let speak = async {
        tokio::time::advance(Duration::from_secs(3)).await;
        place.script.say("hold", "at last").await;
    };
    let (page, ()) = tokio::join!(place.get("/api/v1/tasks/t/events?wait=60"), speak);
    assert_eq!(before.elapsed().as_secs(), 3);
    let events = page.json()["events"].clone();
    assert_eq!((&events[0]["seq"], &events[0]["data"]["content"]), (&json!(1), &json!("at last")));

    let tail = page.json()["next_after"].as_u64().expect("a number").max(2);
    let finish = place.script.finish("hold");
    let path = format!("/api/v1/tasks/t/events?wait=60&after={tail}");
    let (page, ()) = tokio::join!(place.get(&path), finish);
    let last = page.json()["events"].as_array().and_then(|events| events.last().cloned()).expect("an event");
    assert_eq!((kind(&last.to_string()), page.json()["complete"].clone()), ("complete".into(), json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_page_is_not_waited_for_when_the_server_stops() {
    let place = Place::new().await;
    place.submit("t", "hold", Value::Null).await;
    let before = Instant::now();
    let stop = async { place.state.closing.cancel() };
    let (page, ()) = tokio::join!(place.get("/api/v1/tasks/t/events?wait=60"), stop);
    assert_eq!((page.text, before.elapsed()), (document(&[], 0, false), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_and_what_is_wrong_is_told() {
    let place = Place::new().await;
    for accept in ["application/json", "text/event-stream"] {
        for path in ["/api/v1/tasks/none/events", "/api/v1/tasks/%2F/events"] {
            let answer = place.get_with(path, &[("accept", accept)]).await;
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (StatusCode::NOT_FOUND, &json!("task_not_found"))
            );
        }
    }
    let answer =
        place.get_with("/api/v1/tasks/none/events?after=x&wait=61", &[("last-event-id", "-1")]).await;
    let expected = json!([
        {"pointer": "?after", "detail": "must be a whole number"},
        {"pointer": "Last-Event-ID", "detail": "must be a whole number"},
        {"pointer": "?wait", "detail": "must be a whole number from 0 to 60"},
    ]);
    assert_eq!((answer.status, &answer.json()["errors"]), (StatusCode::UNPROCESSABLE_ENTITY, &expected));
}

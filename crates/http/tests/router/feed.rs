//! `GET /api/v1/events`: the events of all tasks.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::place::{Place, kind};

/// The types and tasks of a page's events, and its cursor.
async fn page(place: &Place, query: &str) -> (Vec<(String, String)>, Value) {
    let answer = place.get(&format!("/api/v1/events{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let body = answer.json();
    let events = body["events"].as_array().expect("a list").iter();
    let event =
        |event: &Value| (kind(&event.to_string()), event["task_id"].as_str().expect("a task").to_owned());
    (events.map(event).collect(), body["next_after"].clone())
}

fn of(kinds: &[&str], task: &str) -> Vec<(String, String)> {
    kinds.iter().map(|kind| ((*kind).to_owned(), task.to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_page_holds_what_the_filter_lets_through_and_a_cursor_beyond_it() {
    let place = Place::new().await;
    place.run("a", "hello").await;
    place.run("b", "hello").await;
    let (all, end) = page(&place, "?after=0").await;
    let tasks = |task: &str| all.iter().filter(|(_, of)| of == task).cloned().collect::<Vec<_>>();
    assert_eq!(tasks("a").len() + tasks("b").len(), all.len());
    assert_eq!(all.iter().filter(|(kind, _)| kind == "complete").count(), 2);
    let stored: Vec<_> = place.stored("a").await.iter().map(|(_, json)| (kind(json), "a".into())).collect();
    let told: Vec<_> = tasks("a").into_iter().filter(|(kind, _)| kind != "status").collect();
    assert_eq!(told, stored);

    assert_eq!(page(&place, "?after=0&task_id=a").await, (tasks("a"), end.clone()));
    assert_eq!(page(&place, "?after=0&session_id=session-b").await, (tasks("b"), end.clone()));
    let here = format!("?after=0&workspace={}", place.workspace);
    assert_eq!(page(&place, &here).await, (all.clone(), end.clone()));
    assert_eq!(page(&place, "?after=0&workspace=/elsewhere").await, (vec![], end.clone()));
    assert_eq!(page(&place, "?after=0&task_id=b&type=complete").await, (of(&["complete"], "b"), end.clone()));
    let ended = page(&place, "?after=0&task_id=a&status=completed,failed&type=complete,status").await;
    assert_eq!(ended, (of(&["complete"], "a"), end.clone()));
    assert_eq!(page(&place, &format!("?after={end}")).await, (vec![], end));
}

#[tokio::test(start_paused = true)]
async fn a_page_is_waited_for_until_something_is_let_through() {
    let place = Place::new().await;
    let before = Instant::now();
    assert_eq!(page(&place, "?wait=20").await, (vec![], json!(0)));
    assert_eq!(before.elapsed().as_secs(), 20);

    let before = Instant::now();
    let (waited, ()) = tokio::join!(page(&place, "?wait=60&task_id=b&type=complete"), async {
        place.run("a", "hello").await;
        place.run("b", "hello").await;
    });
    assert_eq!((waited.0, before.elapsed().as_secs()), (of(&["complete"], "b"), 0));

    let after = waited.1.as_u64().expect("a cursor");
    let query = format!("?after={after}&wait=5&task_id=b");
    let (nothing, ()) = tokio::join!(page(&place, &query), place.run("c", "hello"));
    assert_eq!(nothing.0, vec![]);
    assert!(nothing.1.as_u64().expect("a cursor") > after, "it has read past what is not wanted");
}

#[tokio::test(start_paused = true)]
async fn a_page_after_which_everything_is_gone_comes_at_once() {
    let place = Place::new().await;
    place.run("a", "hello").await;
    let (_, after) = page(&place, "?after=0").await;
    place.run("b", "hello").await;
    let (_, end) = page(&place, "?after=0").await;
    let deleted = place.call("DELETE", "/api/v1/tasks/b", &Value::Null).await;
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text);
    let before = Instant::now();
    for cursor in [after, end.clone()] {
        assert_eq!(page(&place, &format!("?after={cursor}")).await, (vec![], end.clone()));
    }
    assert_eq!(before.elapsed().as_secs(), 0);
    assert_eq!(page(&place, "?after=0&task_id=b&wait=7").await, (vec![], end));
    assert_eq!(before.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_server_that_stops_has_what_its_cursor_is_behind() {
    let place = Place::new().await;
    place.run("a", "hello").await;
    let before = page(&place, "?after=0").await;
    assert!(!before.0.is_empty());
    place.state.closing.cancel();
    assert_eq!(page(&place, "?after=0").await, before);
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_from_its_cursor_and_tells_it_when_nothing_is_let_through() {
    let place = Place::new().await;
    place.run("before", "hello").await;
    let mut stream = place.stream("/api/v1/events?type=complete", &[]).await;
    // Who is cut off before the first event goes on from where it began.
    let begins = stream.frame().await.expect("a cursor");
    let begins = begins.strip_suffix("\nevent: cursor\ndata: {}").and_then(|id| id.strip_prefix("id: "));
    let begins: u64 = begins.and_then(|id| id.parse().ok()).expect("a cursor");
    place.run("a", "hello").await;
    let frame = stream.frame().await.expect("an event");
    let lines: Vec<_> = frame.lines().collect();
    let [id, "event: complete", data] = lines[..] else { unreachable!("{frame}") };
    let stored = place.stored("a").await;
    assert_eq!(data.strip_prefix("data: "), stored.last().map(|(_, json)| json.as_str()));
    let first: u64 = id.strip_prefix("id: ").and_then(|id| id.parse().ok()).expect("a cursor");
    assert!(begins < first, "{begins} and {first}");

    // It is told whenever it moved: after the release of the session's agent, say.
    place.submit("b", "hold", Value::Null).await;
    place.script.say("hold", "…").await;
    let mut last = first;
    let quiet = loop {
        let frame = stream.frame().await.expect("a frame");
        let Some(id) = frame.strip_prefix("id: ") else { break frame };
        let (id, rest) = id.split_once('\n').expect("lines");
        assert_eq!(rest, "event: cursor\ndata: {}");
        last = id.parse().expect("a cursor");
    };
    assert!(last > first, "the cursor has moved from {first} to {last}");
    assert_eq!(quiet, ": keep-alive");
    drop(stream);

    place.script.finish("hold").await;
    let last = last.to_string();
    let path = "/api/v1/events?after=0&type=complete";
    let mut stream = place.stream(path, &[("last-event-id", &last)]).await;
    let frame = stream.frame().await.expect("an event");
    assert!(frame.contains("\"task_id\":\"b\""), "{frame}");
    place.state.closing.cancel();
    assert_eq!(stream.rest().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_filter_is_told() {
    let place = Place::new().await;
    for accept in ["application/json", "text/event-stream"] {
        let query = "?after=x&wait=99&task_id=%2F&status=done&type=say";
        let answer = place.get_with(&format!("/api/v1/events{query}"), &[("accept", accept)]).await;
        let body = answer.json();
        let pointers: Vec<_> =
            body["errors"].as_array().expect("a list").iter().map(|fault| &fault["pointer"]).collect();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let expected = ["?after", "?wait", "?task_id", "?status", "?type"].map(|pointer| json!(pointer));
        assert_eq!(pointers, expected.iter().collect::<Vec<_>>());
    }
}

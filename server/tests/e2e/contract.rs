//! The contract with existing clients, as recorded pairs of what they send and what they must get. More fields may come than are
//! recorded; none may lack or have another type. A text in angle brackets stands for anything of that kind.

use serde_json::Value;
use testing::{EventStream, ServerBuilder};

use crate::BINARY;

const PAIRS: &str = include_str!("contract/pairs.json");
/// The data of each event's type, as section 3 of the contract has it.
const EVENTS: [(&str, &[&str]); 4] = [
    ("message", &["message_type", "content", "model"]),
    ("tool_use", &["tool_id", "tool_name", "tool_input"]),
    ("tool_result", &["tool_use_id", "tool_name", "content", "is_error"]),
    (
        "progress",
        &["turns", "tokens_used", "tokens_input", "tokens_output", "files_modified", "elapsed_time_ms"],
    ),
];

/// What is wrong with an answer, if something is.
fn difference(expected: &Value, found: &Value, websocket: &str) -> Option<String> {
    let is_right = match expected {
        Value::Object(fields) => {
            let missing =
                |name: &String| found.get(name).is_none().then(|| format!("{name} is missing in {found}"));
            return fields.iter().find_map(|(name, field)| {
                missing(name).or_else(|| difference(field, &found[name], websocket))
            });
        }
        Value::Array(items) => {
            let found = found.as_array().filter(|found| found.len() == items.len());
            let Some(found) = found else { return Some(format!("{expected} is not that long")) };
            return items.iter().zip(found).find_map(|(item, found)| difference(item, found, websocket));
        }
        Value::String(text) => match text.as_str() {
            "<time>" => found.as_str().is_some_and(|time| {
                let pattern: String =
                    time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                pattern == "0000-00-00T00:00:00.000Z"
            }),
            "<number>" => found.is_number(),
            "<text>" => found.as_str().is_some_and(|text| !text.is_empty()),
            "<pending or running>" => found == "pending" || found == "running",
            text => *found == text.replace("<websocket>", websocket),
        },
        other => found == other,
    };
    (!is_right).then(|| format!("{found} is not {expected}"))
}

#[tokio::test]
async fn existing_clients_get_what_they_always_got() {
    let server = ServerBuilder::stub(BINARY).start().await;
    let workspace = server.workspace("w").display().to_string();
    let websocket = server.url().replacen("http", "ws", 1);
    let pairs: Vec<Value> = serde_json::from_str(&PAIRS.replace("<workspace>", &workspace)).expect("JSON");
    for pair in &pairs {
        let (name, request, expected) = (&pair["name"], &pair["request"], &pair["response"]);
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let mut sent = server.request(&text(&request["method"]), &text(&request["path"]));
        if !request["body"].is_null() {
            sent = sent.json(&request["body"]);
        }
        let answer = sent.send().await.expect("an answer");
        let told =
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().expect("text").to_owned());
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(
            (u64::from(told.0), told.1),
            (expected["status"].as_u64().expect("a status"), text(&expected["type"])),
            "{name}: {body}"
        );
        assert_eq!(difference(&expected["body"], &body, &websocket), None, "{name}");
    }
    check_events(&format!("{websocket}/ws/tasks/task-1737291000")).await;
}

/// A late subscriber gets every event of the finished task, each with its envelope.
async fn check_events(url: &str) {
    let finished = EventStream::open(url, &[]).await.finish().await;
    assert_eq!(finished.close_code, Some(1000));
    let complete = finished.assert_whole();
    let fields = [
        "task_id",
        "status",
        "exit_code",
        "summary",
        "errors",
        "total_cost_usd",
        "turns",
        "tokens_used",
        "files_modified",
    ];
    assert!(fields.iter().all(|field| complete.get(field).is_some()), "{complete}");
    for event in finished.events() {
        for field in ["type", "timestamp", "seq", "task_id", "session_id", "data"] {
            assert!(event.get(field).is_some(), "{field} is missing in {event}");
        }
        let wanted =
            EVENTS.iter().find(|(kind, _)| event["type"] == **kind).map_or(&[][..], |(_, fields)| *fields);
        assert!(wanted.iter().all(|field| event["data"].get(field).is_some()), "{event}");
    }
}

#[test]
fn a_pair_that_differs_is_noticed() {
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let differs = |expected: &str, found: &str| difference(&json(expected), &json(found), "ws://h").is_some();
    assert!(!differs(
        r#"{"a":"<time>","b":["<number>"]}"#,
        r#"{"a":"2026-01-19T10:00:00.123Z","b":[1],"c":2}"#
    ));
    for (expected, found) in [
        (r#"{"a":"<time>"}"#, r#"{"a":"2026-01-19 10:00:00"}"#),
        (r#"{"a":"<number>"}"#, r#"{"a":"1"}"#),
        (r#"{"a":"<text>"}"#, r#"{"a":null}"#),
        (r#"{"a":[1]}"#, r#"{"a":[]}"#),
        (r#"{"a":{"b":null}}"#, r#"{"a":{}}"#),
        (r#"{"a":"<websocket>/x"}"#, r#"{"a":"ws://other/x"}"#),
    ] {
        assert!(differs(expected, found), "{expected} {found}");
    }
}

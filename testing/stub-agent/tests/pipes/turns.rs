//! What the words of a prompt do.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::stub::{Ended, Place, SESSION, Stub, lines, uuid};

const ABORTED: &str = "[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null";

fn fresh(place: &Place) -> Stub {
    place.start(&[&format!("--session-id={SESSION}")])
}

fn ended(code: i32) -> Ended {
    Ended { code: Some(code), said: Vec::new(), stderr: String::new() }
}

#[test]
fn several_turns_on_one_process_end_with_results_that_name_their_prompts() {
    let place = Place::new();
    let mut stub = fresh(&place);
    stub.control("initialize", &json!({"subtype": "initialize"}));
    assert_eq!(stub.until("initialized"), ["initialized"]);
    stub.prompt(1, "say one; tool Read {\"file_path\":\"/x\"}; toolend; tool Bash; say two");
    stub.prompt(2, "p");
    let expected = [
        "running",
        "init",
        "text one",
        "tool Read {\"file_path\":\"/x\"}",
        "tool_result ok",
        "tool Bash {}",
        "text two",
        "tool_result ok",
        "result 1 completed: two",
        "1 completed",
        "idle",
    ];
    assert_eq!(stub.until("idle"), expected);
    let unknown = "not a word that the stub knows: p";
    let expected = [
        "running".into(),
        "init".into(),
        format!("text {unknown}"),
        format!("result 2 completed: {unknown}"),
        "2 completed".into(),
        "idle".into(),
    ];
    assert_eq!(stub.until("idle"), expected);
    assert_eq!(stub.close(), ended(0));
    let prompt = "\"say one; tool Read {\\\"file_path\\\":\\\"/x\\\"}; toolend; tool Bash; say two\"";
    let expected =
        [format!("1 {prompt}"), "1 \"completed\"".into(), "2 \"p\"".into(), "2 \"completed\"".into()];
    assert_eq!(place.transcript(SESSION), expected);
}

#[test]
fn what_is_emitted_is_numbered_and_of_the_length_asked_for() {
    let place = Place::new();
    let mut stub = fresh(&place);
    let sent = SystemTime::now();
    stub.prompt(1, "emit 2000 30; rate 1000 50 0.02");
    let mut texts = Vec::new();
    let mut ids = std::collections::HashSet::new();
    let result = loop {
        let frame = stub.frame().expect("a frame");
        assert!(ids.insert(frame["uuid"].clone()), "an id twice: {frame}");
        if frame["type"] == "result" {
            break frame;
        }
        texts.extend(frame["message"]["content"][0]["text"].as_str().map(str::to_owned));
    };
    let emitted: Vec<_> = (0..2000).map(|number| format!("{number:010} {}", "x".repeat(19))).collect();
    assert_eq!(texts[..2000], emitted);
    let (times, rest): (Vec<_>, Vec<_>) =
        texts[2000..].iter().map(|text| text.split_once(' ').expect("a time")).unzip();
    let paced: Vec<_> = (0..20).map(|number| format!("{number:010} {}", "x".repeat(19))).collect();
    assert_eq!(rest, paced);
    let times: Vec<u64> = times.iter().map(|time| time.parse().expect("a time")).collect();
    let sent = u64::try_from(sent.duration_since(UNIX_EPOCH).expect("a time").as_nanos()).expect("a time");
    let due = (0..20).map(|number| sent + number * 1_000_000);
    assert!(times.iter().zip(due).all(|(time, due)| *time >= due), "{sent} {times:?}");
    assert_eq!((&result["result"], &result["user_message_uuid"]), (&json!("done"), &json!(uuid(1))));
}

#[test]
fn an_interrupt_ends_the_turn_and_the_next_prompt_runs() {
    let place = Place::new();
    let mut stub = fresh(&place);
    stub.prompt(1, "say here; hold; say never");
    stub.until("text here");
    stub.control("i", &json!({"subtype": "interrupt"}));
    let expected = [
        "i {\"still_queued\":[]}".to_owned(),
        "text [Request interrupted by user]".into(),
        format!("result 1 aborted_streaming: {ABORTED}"),
        "1 cancelled".into(),
        "idle".into(),
    ];
    assert_eq!(stub.until("idle"), expected);
    stub.prompt(2, "tool Bash; sleep 600000");
    stub.until("tool Bash {}");
    stub.prompt(3, "say next");
    stub.control("j", &json!({"subtype": "interrupt", "cancel_queued": false}));
    let expected = [
        format!("j {{\"still_queued\":[\"{}\"]}}", uuid(3)),
        "tool_result error".into(),
        "text [Request interrupted by user for tool use]".into(),
        format!("result 2 aborted_tools: {ABORTED}"),
        "2 cancelled".into(),
        "idle".into(),
    ];
    assert_eq!(stub.until("idle"), expected);
    assert_eq!(
        stub.until("idle"),
        ["running", "init", "text next", "result 3 completed: next", "3 completed", "idle"]
    );
    stub.prompt(4, "emit 100000000 400");
    stub.until("init");
    stub.prompt(5, "say never");
    stub.control("k", &json!({"subtype": "interrupt", "cancel_queued": true}));
    let said = stub.until("idle");
    let last = &said[said.len() - 6..];
    let expected = [
        format!("k {{\"cancelled\":[\"{}\"],\"still_queued\":[]}}", uuid(5)),
        "5 cancelled".into(),
        "text [Request interrupted by user]".into(),
        format!("result 4 aborted_streaming: {ABORTED}"),
        "4 cancelled".into(),
        "idle".into(),
    ];
    assert_eq!(last, expected);
    // As the CLI does, when the last turn was no success.
    assert_eq!(stub.close(), ended(1));
}

#[test]
fn the_api_refuses_and_turns_cost() {
    let place = Place::new();
    let mut stub = fresh(&place);
    stub.prompt(1, "cost 0.25; cost 0.5");
    stub.until("idle");
    stub.prompt(2, "cost 1; api_error 529; say never");
    let result = stub.result();
    let told = json!([
        result["subtype"],
        result["is_error"],
        result["terminal_reason"],
        result["result"],
        result["api_error_status"],
        result["total_cost_usd"],
        result["result_index"],
        result["model_usage_since_last_result"]["stub"]["costUSD"]
    ]);
    let text = "API Error: 529 as the prompt wanted it";
    assert_eq!(told, json!(["success", true, "api_error", text, 529, 1.75, 1, 1.0]));
    assert_eq!(stub.until("idle"), ["2 completed", "idle"]);
    stub.prompt(3, "api_error 400");
    let text = "API Error: 400 as the prompt wanted it";
    let expected = [
        "running".into(),
        "init".into(),
        format!("text {text}"),
        format!("result 3 api_error: {text}"),
        "3 completed".into(),
        "idle".into(),
    ];
    assert_eq!(stub.until("idle"), expected);
    stub.prompt(4, "api_error 401");
    assert_eq!(stub.until("api_retry"), ["running", "init", "api_retry"]);
}

#[test]
fn background_tasks_outlast_their_turn_and_have_a_follow_up() {
    let place = Place::new();
    let mut stub = fresh(&place);
    stub.prompt(1, "background 2 1");
    let turn = [
        "running",
        "init",
        "tool Bash {\"command\":\"true\",\"run_in_background\":true}",
        "background 1",
        "task_started",
        "tool_result ok",
        "tool Bash {\"command\":\"true\",\"run_in_background\":true}",
        "background 2",
        "task_started",
        "tool_result ok",
        "result 1 completed: done",
        "1 completed",
        "idle",
    ];
    assert_eq!(stub.until("idle"), turn);
    let told = stub.close();
    let follow_up = ["running", "init", "text All done.", "result - completed: All done.", "idle"];
    assert_eq!(told.said[told.said.len() - 5..], follow_up);
    assert_eq!(told.said.iter().filter(|said| *said == "task_notification").count(), 2);
    assert_eq!(told.code, Some(0));
}

#[test]
fn a_log_line_names_process_and_session() {
    let place = Place::new();
    let mut stub = fresh(&place);
    let file = place.path("a log.txt");
    stub.prompt(1, &format!("log {} first; log {} second", file.display(), file.display()));
    let pid = stub.pid();
    stub.until("idle");
    let found = lines(&file);
    let found: Vec<_> = found.iter().map(|line| line.split_once(' ').expect("a time").1).collect();
    assert_eq!(found, [format!("{pid} {SESSION} first"), format!("{pid} {SESSION} second")]);
}

#[test]
fn an_interrupt_is_noted_once_and_a_turn_without_one_notes_nothing() {
    let place = Place::new();
    let mut stub = fresh(&place);
    let file = place.path("noted.txt");
    let noting = format!("oninterrupt {} noticed", file.display());
    stub.prompt(1, &format!("{noting}; say here"));
    stub.until("idle");
    assert!(!file.exists());
    stub.prompt(2, &format!("{noting}; say there; hold"));
    stub.until("text there");
    stub.control("i", &json!({"subtype": "interrupt"}));
    let pid = stub.pid();
    stub.until("idle");
    let found = lines(&file);
    let found: Vec<_> = found.iter().map(|line| line.split_once(' ').expect("a time").1).collect();
    assert_eq!(found, [format!("{pid} {SESSION} noticed")]);
}

//! The process itself.

use std::process::Stdio;

use serde_json::json;

use crate::stub::{Ended, Place};

#[test]
fn it_tells_a_version_that_the_server_takes() {
    let output = Place::new().command(&["--version"]).stdin(Stdio::null()).output().expect("an end");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2.1.330 (Claude Code, stub)\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn it_ends_with_its_input_but_not_before_its_turn() {
    let place = Place::new();
    let idle = place.start(&[]).close();
    assert_eq!(idle, Ended { code: Some(0), said: Vec::new(), stderr: String::new() });
    let mut busy = place.start(&[]);
    busy.prompt(1, "sleep 1; say b");
    let said = ["running", "init", "text b", "result 1 completed: b", "1 completed", "idle"];
    let said = said.map(str::to_owned).to_vec();
    assert_eq!(busy.close(), Ended { code: Some(0), said, stderr: String::new() });
}

#[test]
fn it_crashes_without_a_word() {
    let place = Place::new();
    let mut stub = place.start(&["--no-session-persistence"]);
    stub.prompt(1, "say a; crash");
    let said = ["running", "init", "text a"].map(str::to_owned).to_vec();
    assert_eq!(stub.close(), Ended { code: Some(3), said, stderr: String::new() });
    assert!(!place.path("config").exists());
}

#[test]
fn it_takes_what_the_protocol_allows_and_no_more() {
    let place = Place::new();
    let mut stub = place.start(&["--replay-user-messages"]);
    stub.send(&json!({"type": "keep_alive"}));
    stub.send(&json!([1]));
    stub.control("m", &json!({"subtype": "set_model", "model": "n"}));
    stub.control("q", &json!({"subtype": "side_question"}));
    let refused = "q refused Unsupported control request subtype: side_question";
    assert_eq!(stub.until(refused), ["m {\"model\":\"n\"}", refused]);
    stub.prompt(1, "say a");
    let said = ["replay", "running", "init", "text a", "result 1 completed: a", "1 completed", "idle"];
    assert_eq!(stub.until("idle"), said);
    // The same prompt is not run twice; its echo is all that comes.
    stub.prompt(1, "say a");
    stub.control("e", &json!({"subtype": "end_session"}));
    assert_eq!(stub.until("e {}"), ["replay", "e {}"]);
    assert_eq!(stub.close(), Ended { code: Some(0), said: Vec::new(), stderr: String::new() });

    let mut stub = place.start(&[]);
    stub.send(&json!({"type": "user", "message": {"role": "assistant"}}));
    let stderr = "Error: Expected message role 'user'\n".to_owned();
    assert_eq!(stub.close(), Ended { code: Some(1), said: Vec::new(), stderr });
}

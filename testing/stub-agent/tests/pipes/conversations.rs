//! Resuming, copying, claiming.

use serde_json::json;

use crate::stub::{Ended, Place, SESSION, Stub};

const COPY: &str = "bbbbbbbb-0000-4000-8000-000000000002";

fn one_turn(stub: &mut Stub, number: u32, text: &str) -> String {
    stub.prompt(number, text);
    stub.until("idle").into_iter().find(|said| said.starts_with("result")).expect("a result")
}

#[test]
fn a_resumed_conversation_knows_its_prompts_and_its_cost() {
    let place = Place::new();
    let mut first = place.start(&[&format!("--session-id={SESSION}")]);
    one_turn(&mut first, 1, "cost 0.5; say a");
    drop(first);
    let mut second = place.start(&[&format!("--resume={SESSION}")]);
    assert_eq!(one_turn(&mut second, 2, "recall"), "result 2 completed: cost 0.5; say a");
    drop(second);
    let mut copy =
        place.start(&[&format!("--resume={SESSION}"), "--fork-session", &format!("--session-id={COPY}")]);
    assert_eq!(one_turn(&mut copy, 3, "recall"), "result 3 completed: cost 0.5; say a\nrecall");
    assert_eq!(copy.close().code, Some(0));
    let original = ["1 \"cost 0.5; say a\"", "1 \"completed\"", "2 \"recall\"", "2 \"completed\""];
    assert_eq!(place.transcript(SESSION), original);
    let copied: Vec<_> = original.into_iter().chain(["3 \"recall\"", "3 \"completed\""]).collect();
    assert_eq!(place.transcript(COPY), copied);
}

#[test]
fn what_is_not_there_is_not_resumed_and_what_is_there_is_not_begun_again() {
    let place = Place::new();
    let message = format!("No conversation found with session ID: {SESSION}");
    let lost = place.start(&[&format!("--resume={SESSION}")]).close();
    let said = vec![format!("result - failed: {message}")];
    assert_eq!(lost, Ended { code: Some(1), said, stderr: format!("{message}\n") });
    let mut first = place.start(&[&format!("--session-id={SESSION}")]);
    one_turn(&mut first, 1, "say a");
    let again = place.start(&[&format!("--session-id={SESSION}")]).close();
    let stderr = format!("Error: Session ID {SESSION} is already in use.\n");
    assert_eq!(again, Ended { code: Some(1), said: Vec::new(), stderr });
}

#[test]
fn a_turn_that_was_cut_off_is_run_again_only_if_asked_for() {
    let place = Place::new();
    let resume = format!("--resume={SESSION}");
    let mut first = place.start(&[&format!("--session-id={SESSION}")]);
    one_turn(&mut first, 1, "say a");
    first.prompt(2, "say here; sleep 1");
    first.until("text here");
    first.kill();
    assert_eq!(place.transcript(SESSION).last().map(String::as_str), Some("2 \"say here; sleep 1\""));

    let mut second = Stub::start(place.command(&[&resume]).env("CLAUDE_CODE_RESUME_INTERRUPTED_TURN", "1"));
    second.control("initialize", &json!({"subtype": "initialize"}));
    let expected = [
        "initialized",
        "running",
        "init",
        "text here",
        "result 2 completed: here interrupted_turn",
        "2 completed",
        "idle",
    ];
    assert_eq!(second.until("idle"), expected);
    assert_eq!(second.close(), Ended { code: Some(0), said: Vec::new(), stderr: String::new() });

    let mut third = Stub::start(place.command(&[&resume]).env("CLAUDE_CODE_RESUME_INTERRUPTED_TURN", "1"));
    third.control("initialize", &json!({"subtype": "initialize"}));
    assert_eq!(third.close().said, ["initialized"]);
    let expected = ["1 \"say a\"", "1 \"completed\"", "2 \"say here; sleep 1\"", "2 \"completed\""];
    assert_eq!(place.transcript(SESSION), expected);
}

#[test]
fn a_spare_works_once_it_is_claimed() {
    let place = Place::new();
    let mut stub = place.start(&["--await-claim", &format!("--session-id={SESSION}")]);
    stub.prompt(1, "say a");
    let refused = "result 1 failed: not_claimed: this process waits for claim_session";
    assert_eq!(stub.until(refused), [refused]);
    stub.control("c", &json!({"subtype": "claim_session", "cwd": place.path("nowhere")}));
    let nowhere = format!("c refused cwd_not_found: {}", place.path("nowhere").display());
    assert_eq!(stub.until(&nowhere), [nowhere]);
    let folder = place.path("claimed");
    std::fs::create_dir(&folder).expect("made");
    stub.control("d", &json!({"subtype": "claim_session", "cwd": folder, "permission_mode": "plan"}));
    let claimed = format!("d {}", json!({"status": "ok", "cwd": folder, "session_id": SESSION}));
    assert_eq!(stub.until(&claimed), [claimed]);
    stub.control("e", &json!({"subtype": "claim_session", "cwd": folder}));
    let again = "e refused not_a_spare: claim_session is only accepted by a process that waits for it";
    assert_eq!(stub.until(again), [again]);
    stub.prompt(1, "log here.txt x");
    stub.until("idle");
    assert_eq!(std::fs::read_to_string(folder.join("here.txt")).expect("a log").lines().count(), 1);
}

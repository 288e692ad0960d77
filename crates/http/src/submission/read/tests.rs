//! What is read, and what is wrong with it.

use api::OptionsRequest;
use domain::{InstanceLabel, Labels, OnQuestion, OnRestart, OnStall, PermissionMode};

use super::options::is_tool_rule;
use super::*;

fn faults(body: &str) -> Vec<(String, String)> {
    let refusal = task_request(body.as_bytes()).expect_err("a refusal");
    assert_eq!(refusal.status, axum::http::StatusCode::UNPROCESSABLE_ENTITY);
    refusal.faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}

#[test]
fn every_fault_is_pointed_at() {
    let body = r#"{"task_id":"a/b","workspace":7,"options":{"permission_mode":"yolo","timeout":0,
        "max_turns":"5","allowed_tools":["Read",3,""],"model":"","cwd":[]},
        "session":{"reuse_existing":"yes"}}"#;
    let pointers: Vec<_> = faults(body).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(
        pointers,
        [
            "/task_id",
            "/prompt",
            "/workspace",
            "/options/permission_mode",
            "/options/model",
            "/options/allowed_tools/1",
            "/options/allowed_tools/2",
            "/options/max_turns",
            "/options/timeout",
            "/options/cwd",
            "/session/reuse_existing",
        ]
    );
}

#[test]
fn tools_are_named_one_by_one() {
    for tool in ["Bash", "Bash(git *)", "Bash(echo (a, b))", "mcp__server__tool", "mcp__server__*"] {
        assert!(is_tool_rule(tool), "{tool}");
    }
    for text in ["", " ", "Bash,Write", "Bash Write", "*", "Bash(", "--model", "Bash(a)b", "Bash(\n)"] {
        assert!(!is_tool_rule(text), "{text:?}");
    }
}

#[test]
fn what_is_no_object_is_said_to_be_none() {
    assert_eq!(
        faults("{"),
        [(String::new(), "the body is not JSON: EOF while parsing an object at line 1 column 1".into())]
    );
    assert_eq!(faults("[]"), [(String::new(), "the body is not a JSON object".into())]);
}

#[test]
fn every_fault_of_a_schedule_and_a_policy_is_pointed_at() {
    let body = r#"{"task_id":"t","prompt":"p","workspace":"/w","priority":101,"start_at":"tomorrow","delay_seconds":-1,
        "depends_on":["a","b c",7,"a","t"],"retry":{"max_attempts":0,"after_side_effects":"no"},
        "options":{"max_budget_usd":0,"background_timeout":2592001,"on_restart":"die","on_stall":"shrug",
        "on_question":"guess","answer_within":0},
        "session":{"fork":true,"when_busy":"queue"}}"#;
    let expected = [
        ("/priority", "must be a whole number from -100 to 100"),
        ("/start_at", "must be a time with its zone as RFC 3339 has it, such as 2026-01-19T10:00:00Z"),
        ("/delay_seconds", "must be a whole number from 0 to 2592000"),
        ("/delay_seconds", "cannot be given together with start_at: leave one of them out"),
        ("/depends_on/1", "an id is made of letters, digits and . _ : - and starts with a letter or digit"),
        ("/depends_on/2", "must be a task id"),
        ("/depends_on/3", "names a a second time: name each task once"),
        ("/depends_on/4", "names the task itself, which would wait forever"),
        ("/options/max_budget_usd", "must be a number above 0"),
        ("/options/background_timeout", "must be a whole number from 0 to 2592000"),
        ("/options/on_restart", "must be one of interrupt, resume"),
        ("/options/on_stall", "must be one of report, fail, resume"),
        ("/options/on_question", "must be one of refuse, ask"),
        ("/options/answer_within", "must be a whole number from 1 to 2592000"),
        ("/session/when_busy", "must be one of enqueue, reject, interrupt, fork"),
        ("/session/session_id", "is needed with fork: name the session to copy"),
        ("/session/when_busy", "is of use only with reuse_existing: set that to true, or leave this out"),
        ("/retry/max_attempts", "must be a whole number from 1 to 10"),
        ("/retry/after_side_effects", "must be true or false"),
    ];
    assert_eq!(faults(body), expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
}

#[test]
fn what_contradicts_itself_or_is_too_much_is_refused() {
    let ids = (0..101).map(|id| format!("\"t{id}\"")).collect::<Vec<_>>().join(",");
    let body = format!(
        r#"{{"prompt":"p","workspace":"/w","depends_on":[{ids}],"retry":[],
        "session":{{"reuse_existing":true,"fork":true,"session_id":"s"}}}}"#
    );
    let expected = [
        ("/depends_on", "must have at most 100 task ids, this one has 101"),
        ("/retry", "must be an object"),
        (
            "/session/fork",
            "cannot be given together with reuse_existing: to copy a session only while it is busy, set when_busy to \
             fork",
        ),
    ];
    assert_eq!(faults(&body), expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
}

#[test]
fn an_answer_stays_short_however_much_is_wrong() {
    let tools = vec!["7"; 1_000].join(",");
    let body = format!(r#"{{"prompt":"p","workspace":"/w","options":{{"allowed_tools":[{tools}]}}}}"#);
    let told = faults(&body);
    assert_eq!((told.len(), told[99].0.as_str()), (100, "/options/allowed_tools/99"));
}

#[test]
fn a_full_request_and_a_bare_one_are_read() {
    let full = r#"{"task_id":"t","prompt":"p","workspace":"/w","extra":1,"options":{"allowed_tools":["Read"],
        "permission_mode":"plan","max_turns":5,"timeout":60.0,"model":null,"cwd":null,"max_budget_usd":1,
        "background_timeout":0.0,"on_restart":"resume","on_stall":"fail",
        "on_question":"ask","answer_within":60},
        "session":{"reuse_existing":true,"session_id":"s","when_busy":"interrupt"},
        "priority":-100.0,"start_at":"1970-01-01T01:00:00.5+01:00","depends_on":["a"],"runs_on":["zone=a","gpu","gpu"],
        "retry":{"max_attempts":10,"after_side_effects":true},
        "labels":{"team":"a","kind/of":""},"metadata":{"build":[1,null]}}"#;
    let mut labels = Labels::default();
    for (key, value) in [("team", "a"), ("kind/of", "")] {
        labels.set(key, value).expect("fits");
    }
    let request = task_request(full.as_bytes()).expect("valid");
    let expected = TaskRequest {
        task_id: Some("t".into()),
        prompt: "p".into(),
        workspace: "/w".into(),
        options: OptionsRequest {
            allowed_tools: Some(vec!["Read".into()]),
            permission_mode: Some(PermissionMode::Plan),
            max_turns: Some(5),
            timeout: Some(60),
            model: None,
            cwd: None,
            max_budget_usd: Some(1.0),
            background_timeout: Some(0),
            on_restart: Some(OnRestart::Resume),
            on_stall: Some(OnStall::Fail),
            on_question: Some(OnQuestion::Ask),
            answer_within: Some(60),
            ..OptionsRequest::default()
        },
        session: SessionRequest {
            reuse_existing: true,
            session_id: Some("s".into()),
            when_busy: Some(WhenBusy::Interrupt),
            fork: false,
        },
        priority: Some(-100),
        start_at: Some(domain::Timestamp::from_millis(500)),
        delay_seconds: None,
        depends_on: vec![TaskId::parse("a").expect("valid")],
        runs_on: ["gpu", "zone=a"].map(|label| InstanceLabel::parse(label).expect("valid")).into(),
        retry: RetryRequest { max_attempts: Some(10), after_side_effects: Some(true) },
        labels,
        metadata: serde_json::from_str(r#"{"build":[1,null]}"#).ok(),
    };
    assert_eq!(request, expected);
    let bare =
        task_request(br#"{"prompt":"p","workspace":"/w","options":null,"retry":null}"#).expect("valid");
    let expected = TaskRequest {
        task_id: None,
        prompt: "p".into(),
        workspace: "/w".into(),
        options: OptionsRequest::default(),
        session: SessionRequest::default(),
        priority: None,
        start_at: None,
        delay_seconds: None,
        depends_on: Vec::new(),
        runs_on: std::collections::BTreeSet::new(),
        retry: RetryRequest::default(),
        labels: Labels::default(),
        metadata: None,
    };
    assert_eq!(bare, expected);
}

#[test]
fn labels_and_metadata_are_bounded() {
    let large = "x".repeat(16 * 1024);
    let body = format!(
        r#"{{"task_id":"batch","prompt":"p","workspace":"/w","labels":{{"a b":"v","ok":7,"a/b":"\n"}},"metadata":{{"k":"{large}"}}}}"#
    );
    let key =
        "a label's key is made of 1 to 63 letters, digits and . _ / - and starts with a letter or digit";
    let expected = [
        ("/task_id", "must not be batch, which is a path of the API: choose another one"),
        ("/labels/a b", key),
        ("/labels/a~1b", "a label's value is a text of at most 256 bytes without control characters"),
        ("/labels/ok", "must be a text"),
        ("/metadata", "must have at most 16384 bytes as JSON"),
    ];
    assert_eq!(faults(&body), expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
}

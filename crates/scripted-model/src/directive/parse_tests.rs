use serde_json::json;

use super::*;

fn tool(call: ToolCall) -> Directive {
    Directive::Tools(vec![call])
}

fn fault(kind: FaultKind, times: Option<u32>) -> Directive {
    Directive::Fault(Fault { kind, times })
}

#[test]
fn reads_the_file_tools() {
    assert_eq!(
        parse(r"[[write a.txt one\ntwo]] [[edit a.txt one=>1\n]] [[read a.txt]] [[write empty.txt]]")
            .unwrap(),
        [
            tool(ToolCall::Write { path: "a.txt".into(), content: "one\ntwo".into() }),
            tool(ToolCall::Edit { path: "a.txt".into(), old: "one".into(), new: "1\n".into() }),
            tool(ToolCall::Read { path: "a.txt".into() }),
            tool(ToolCall::Write { path: "empty.txt".into(), content: String::new() }),
        ]
    );
}

#[test]
fn reads_the_other_tools() {
    assert_eq!(
        parse(r#"[[bash ls -l]] [[bashbg sleep 1]] [[agent {{bash ls}} go]] [[tool X {"a":1}]] [[tool X {"a"]] [[tool Y]]"#)
            .unwrap(),
        [
            tool(ToolCall::Bash { command: "ls -l".into(), background: false }),
            tool(ToolCall::Bash { command: "sleep 1".into(), background: true }),
            tool(ToolCall::Agent { prompt: "[[bash ls]] go".into() }),
            tool(ToolCall::Named { name: "X".into(), input: ToolInput::Json(json!({ "a": 1 })) }),
            tool(ToolCall::Named { name: "X".into(), input: ToolInput::Broken(r#"{"a""#.into()) }),
            tool(ToolCall::Named { name: "Y".into(), input: ToolInput::Json(json!({})) }),
        ]
    );
    assert_eq!(
        parse("[[ask Which one?|Red| Blue]]").unwrap(),
        [tool(ToolCall::Ask { question: "Which one?".into(), labels: vec!["Red".into(), "Blue".into()] })]
    );
}

#[test]
fn parallel_tools_become_one_directive() {
    assert_eq!(
        parse("[[par]] [[read a]] [[read b]] [[/par]] [[say x]]").unwrap(),
        [
            Directive::Tools(vec![ToolCall::Read { path: "a".into() }, ToolCall::Read { path: "b".into() }]),
            Directive::Say("x".into()),
        ]
    );
}

#[test]
fn reads_times_and_durations() {
    let ms = Duration::from_millis;
    assert_eq!(
        parse("[[stream 3]] [[stream 1000000 20]] [[sleep 5]] [[stall 7]] [[usage 10 20]] [[stop refusal]]")
            .unwrap(),
        [
            Directive::Stream { count: 3, gap: ms(0) },
            Directive::Stream { count: 1_000_000, gap: ms(20) },
            Directive::Sleep(ms(5)),
            Directive::Stall(ms(7)),
            Directive::Usage { input: 10, output: 20 },
            Directive::Stop("refusal".into()),
        ]
    );
}

#[test]
fn reads_the_faults() {
    let http = |status, retry_after| FaultKind::Http { status, retry_after };
    let event = || FaultKind::ErrorEvent { error_type: "overloaded_error".into() };
    assert_eq!(
        parse(
            "[[error 529]] [[error 529 2]] [[error 429 1 retry-after=3]] [[cut]] [[cut 2]] [[hang]] [[hang 1]] \
             [[midstream overloaded_error]] [[midstream overloaded_error 1]]"
        )
        .unwrap(),
        [
            fault(http(529, None), None),
            fault(http(529, None), Some(2)),
            fault(http(429, Some(3)), Some(1)),
            fault(FaultKind::Cut, None),
            fault(FaultKind::Cut, Some(2)),
            fault(FaultKind::Hang, None),
            fault(FaultKind::Hang, Some(1)),
            fault(event(), None),
            fault(event(), Some(1)),
        ]
    );
}

#[test]
fn names_what_is_wrong() {
    let cases = [
        ("[[dance fast]]", "there is no such directive"),
        ("[[stream 0]]", "a number of deltas from 1 to 1000000"),
        ("[[stream 1000001]]", "a number of deltas from 1 to 1000000"),
        ("[[stream 5 soon]]", "milliseconds from 0 to 3600000"),
        ("[[error 200]]", "a STATUS from 400 to 599"),
        ("[[error 529 often]]", "a STATUS from 400 to 599"),
        ("[[edit a.txt b]]", "OLD=>NEW is missing"),
        ("[[ask Sure?|Yes]]", "[[ask QUESTION|LABEL1|LABEL2]]"),
        ("[[usage 1]]", "the input tokens and the output tokens"),
        ("[[bash]]", "it needs a command"),
        ("[[write]]", "a path and a content"),
        ("[[cut often]]", "how many times must be a whole number"),
        ("[[par]] [[say x]] [[/par]]", "only tool directives"),
        ("[[par]] [[read x]]", "the closing [[/par]] is missing"),
        ("[[par]] [[/par]]", "there is no tool in it"),
        ("[[/par]]", "come in pairs"),
        ("[[]]", "there is no such directive"),
    ];
    for (text, expected) in cases {
        let message = parse(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn every_directive_is_documented() {
    let table = include_str!("../../README.md");
    for name in ALLOWED.split(", ") {
        assert!(table.contains(&format!("[[{name} ")) || table.contains(&format!("[[{name}]]")), "{name}");
    }
}

use super::*;

const TOOLS: &str =
    include_str!("../../../../claude-protocol/tests/transcripts/tools_write_edit_read_bash.jsonl");
const RETRIES: &str = include_str!("../../../../claude-protocol/tests/transcripts/err_529_x2.jsonl");
const STREAMED: &str = include_str!("../../../../claude-protocol/tests/transcripts/partial_messages.jsonl");

fn show(output: Output) -> String {
    let event = match output {
        Output::Event(event) => event,
        Output::Question { request: ControlRequest::CanUseTool(ask), .. } => {
            return format!("ask {}", ask.tool_name);
        }
        Output::Question { request, .. } => return format!("ask {request:?}"),
        Output::Withdrawn { request_id } => return format!("withdrawn {request_id}"),
        Output::Partial(piece) => return format!("piece {piece:?}"),
        Output::Started => return "started".into(),
        Output::Reply(reply) => return format!("reply {}", reply.outcome.is_ok()),
    };
    match event {
        AgentEvent::Said(said) => show_statement(&said.statement),
        AgentEvent::Counted { turns, tokens } => {
            format!("counted {turns} {}/{}", tokens.input, tokens.output)
        }
        AgentEvent::TurnEnded(end) => format!(
            "ended {:?} {:?} turns={} tokens={:?} prompts={}",
            end.ending,
            end.text,
            end.turns,
            end.tokens.map(TokenUsage::total),
            end.prompts.len()
        ),
        other => format!("{other:?}"),
    }
}

fn show_statement(statement: &Statement) -> String {
    match statement {
        Statement::Text { content, .. } => format!("text {content}"),
        Statement::Thinking { content, .. } => format!("thinking {content}"),
        Statement::User { content } => format!("user {content}"),
        Statement::ToolUse { name, .. } => format!("use {name}"),
        Statement::ToolResult { name, is_error, changed_file, .. } => {
            let file = changed_file.as_ref().and_then(|path| path.file_name()).unwrap_or_default();
            format!("result {name} error={is_error} changed={}", file.display())
        }
        Statement::System { subtype, .. } => format!("system {subtype}"),
    }
}

fn translate(lines: &'static str) -> Vec<String> {
    let mut translator = Translator::default();
    lines
        .lines()
        .flat_map(|line| translator.line(Line::Whole(Bytes::from_static(line.as_bytes()))))
        .map(show)
        .collect()
}

#[test]
fn a_turn_with_tools_names_each_tool_with_its_result_and_the_files_it_changed() {
    let shown: Vec<_> = translate(TOOLS)
        .into_iter()
        .filter(|line| !["counted", "system"].iter().any(|start| line.starts_with(start)))
        .take(14)
        .collect();
    assert_eq!(
        shown,
        [
            "reply true",
            "started",
            "use Write",
            "result Write error=false changed=hello.txt",
            "use Read",
            "result Read error=false changed=",
            "use Edit",
            "result Edit error=false changed=hello.txt",
            "use Bash",
            "result Bash error=true changed=",
            "use Bash",
            "result Bash error=false changed=",
            "text All done.",
            "ended Completed \"All done.\" turns=6 tokens=Some(75833) prompts=1",
        ]
    );
}

#[test]
fn retries_are_reported_and_the_turn_still_completes() {
    let shown = translate(RETRIES);
    assert_eq!(
        shown,
        [
            "reply true",
            "system init",
            "system api_retry",
            "Retrying { status: Some(529), attempt: 1, delay: 547ms }",
            "system api_retry",
            "Retrying { status: Some(529), attempt: 2, delay: 1.092s }",
            "counted 1 12357/1",
            "text Echo: [[error 529 2]] go",
            "ended Completed \"Echo: [[error 529 2]] go\" turns=1 tokens=Some(12382) prompts=0",
            "system init",
            "counted 1 12392/1",
            "text Echo: second turn after the error",
            "ended Completed \"Echo: second turn after the error\" turns=1 tokens=Some(12417) prompts=0",
        ]
    );
}

#[test]
fn streamed_answers_are_counted_from_their_own_usage() {
    let counted: Vec<_> =
        translate(STREAMED).into_iter().filter(|line| line.starts_with("counted")).collect();
    assert_eq!(
        counted,
        ["counted 1 12368/1", "counted 1 12368/25", "counted 2 24819/26", "counted 2 24819/50"]
    );
}

#[test]
fn nothing_that_is_not_understood_vanishes() {
    let mut translator = Translator::default();
    let mut shown = |line: Line| translator.line(line).into_iter().map(show).collect::<Vec<_>>();
    assert_eq!(shown(Line::Whole(Bytes::from_static(b"warning: \xff"))), ["system unparsed_output"]);
    assert_eq!(
        shown(Line::Whole(Bytes::from_static(b"{\"type\":\"new_kind\",\"x\":1}"))),
        ["system new_kind"]
    );
    assert_eq!(shown(Line::Whole(Bytes::from_static(b"{\"x\":1}"))), ["system unknown"]);
    assert_eq!(
        shown(Line::Whole(Bytes::from_static(b"{\"type\":\"assistant\",\"message\":7}"))),
        ["system assistant"]
    );
    assert_eq!(shown(Line::Torn(Bytes::from_static(b"{\"typ"))), ["system torn_output"]);
    assert_eq!(shown(Line::Overlong(1 << 30)), ["system overlong_output"]);
}

#[test]
fn a_result_of_images_and_text_is_a_text_with_its_blocks() {
    let line = br#"{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"two"},{"type":"image","source":{}}]}]}}"#;
    let mut translator = Translator::default();
    let outputs = translator.line(Line::Whole(Bytes::from_static(line)));
    let [
        Output::Event(AgentEvent::Said(Said {
            statement: Statement::ToolResult { content, blocks, .. },
            ..
        })),
    ] = outputs.as_slice()
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(content, "two\n[image]");
    assert_eq!(
        blocks.as_ref().map(|blocks| blocks.get()),
        Some(r#"[{"type":"text","text":"two"},{"type":"image","source":{}}]"#)
    );
}

/// The kinds of events that a subscription's limit, a failure of the API and a turn's end come to.
fn limits(lines: &[&'static str]) -> Vec<String> {
    let mut translator = Translator::default();
    let outputs =
        lines.iter().flat_map(|line| translator.line(Line::Whole(Bytes::from_static(line.as_bytes()))));
    let shown = outputs.filter_map(|output| match output {
        Output::Event(AgentEvent::TurnEnded(end)) => Some(format!("ended {:?}", end.api_error)),
        Output::Event(event @ AgentEvent::RateLimited { .. }) => Some(format!("{event:?}")),
        _ => None,
    });
    shown.collect()
}

const REJECTED: &str = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1768816805,"rateLimitType":"five_hour"}}"#;
const ALLOWED: &str =
    r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":1768816805}}"#;
const SAID: &str = r#"{"type":"assistant","message":{"id":"m","content":[]},"error":"rate_limit"}"#;
const REFUSED: &str = r#"{"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error","api_error_status":429}"#;
const DONE: &str =
    r#"{"type":"result","subtype":"success","is_error":false,"terminal_reason":"completed","result":"ok"}"#;

#[test]
fn a_subscriptions_limit_is_told_before_the_ends_that_it_explains_until_it_is_lifted() {
    let limited = "RateLimited { until: Timestamp(1768816805000) }";
    let ended = r#"ended Some(ApiError { status: Some(429), kind: "rate_limit" })"#;
    let unnamed = r#"ended Some(ApiError { status: Some(429), kind: "unknown" })"#;
    assert_eq!(limits(&[REJECTED, SAID, REFUSED]), [limited, ended]);
    assert_eq!(limits(&[REJECTED, DONE, REFUSED]), ["ended None", limited, unnamed]);
    assert_eq!(limits(&[REJECTED, ALLOWED, REFUSED]), [unnamed]);
    assert_eq!(limits(&[SAID, DONE, REFUSED]), ["ended None", unnamed]);
}

#[test]
fn the_apis_own_word_for_its_failure_comes_first() {
    let named = r#"{"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error","api_error_status":null,"api_error_type":"overloaded_error"}"#;
    assert_eq!(
        limits(&[SAID, named]),
        [r#"ended Some(ApiError { status: None, kind: "overloaded_error" })"#]
    );
}

use serde_json::{Value, json};

use super::*;
use crate::directive::ToolInput;

fn request(prompt: &str, extra: Value) -> MessagesRequest {
    let mut body = json!({
        "model": "m", "tools": [{ "name": "Bash" }], "system": " - Primary working directory: /w",
        "messages": [{ "role": "user", "content": prompt }],
    });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    MessagesRequest::read(body.to_string().as_bytes()).unwrap()
}

fn reply(prompt: &str, extra: Value) -> Reply {
    match Mind::default().answer(&request(prompt, extra)).outcome {
        Outcome::Reply(reply) => *reply,
        other => panic!("{other:?}"),
    }
}

/// The blocks of a reply, short.
fn blocks(reply: &Reply) -> Vec<String> {
    let show = |block: &Block| match block {
        Block::Thinking(text) => format!("thinking {text}"),
        Block::Text(text) => format!("text {text}"),
        Block::Tokens { count, .. } => format!("tokens {count}"),
        Block::ToolUse { name, input: ToolInput::Json(input), .. } => format!("{name} {input}"),
        Block::ToolUse { name, input: ToolInput::Broken(input), .. } => format!("{name} broken {input}"),
    };
    reply.blocks.iter().map(show).collect()
}

fn shown(prompt: &str, extra: Value) -> (Vec<String>, String) {
    let reply = reply(prompt, extra);
    (blocks(&reply), reply.stop_reason)
}

#[test]
fn tools_are_asked_for_with_absolute_paths() {
    let (blocks, stop) =
        shown("[[say look]] [[par]][[read a.txt]][[read /b]][[tool Nope {\"x\"]][[/par]]", json!({}));
    let expected =
        ["text look", r#"Read {"file_path":"/w/a.txt"}"#, r#"Read {"file_path":"/b"}"#, "Nope broken {\"x\""];
    assert_eq!((blocks.as_slice(), stop.as_str()), (expected.map(str::to_owned).as_slice(), "tool_use"));
}

#[test]
fn without_tools_there_is_only_text() {
    let (blocks, stop) = shown("[[bash ls]]", json!({ "tools": [] }));
    assert_eq!(
        (blocks, stop.as_str()),
        (vec!["text No tools were offered, so I did not ask for Bash.".to_owned()], "end_turn")
    );
}

#[test]
fn thinking_needs_to_be_on() {
    let prompt = "[[think hm]] [[say hi]]";
    assert_eq!(shown(prompt, json!({})).0, ["text hi"]);
    assert_eq!(shown(prompt, json!({ "thinking": { "type": "enabled" } })).0, ["thinking hm", "text hi"]);
    assert_eq!(shown(prompt, json!({ "thinking": { "type": "disabled" } })).0, ["text hi"]);
}

#[test]
fn usage_and_stop_reason_can_be_set() {
    let input = InputTokens { uncached: 10, ..InputTokens::default() };
    let reply = reply("[[usage 10 20]] [[stop max_tokens]] [[say cut]]", json!({}));
    assert_eq!((reply.input, reply.output_tokens(), reply.stop_reason.as_str()), (input, 20, "max_tokens"));
    assert_eq!(blocks(&reply), ["text cut"]);
}

#[test]
fn a_bad_directive_is_explained() {
    let (blocks, _) = shown("[[say a]] [[dance]]", json!({}));
    assert!(
        blocks[0]
            .starts_with("text I do not understand [[dance]]: there is no such directive. Allowed are: say"),
        "{blocks:?}"
    );
}

#[test]
fn history_lists_the_earlier_prompts() {
    let messages = json!([
        { "role": "user", "content": "one\nmore" }, { "role": "assistant", "content": "a" },
        { "role": "user", "content": "two" }, { "role": "assistant", "content": "b" },
        { "role": "user", "content": "[[history]]" },
    ]);
    assert_eq!(shown("", json!({ "messages": messages })).0, ["text one more\ntwo"]);
    assert_eq!(shown("[[history]]", json!({})).0, ["text This conversation has no earlier prompts."]);
}

#[test]
fn words_added_in_mid_turn_are_followed_too() {
    let added = "The user sent a new message while you were working:\n[[say also this]]\n\nThis is how Claude Code surfaces \
                 messages the user sends mid-turn";
    let messages = json!([
        { "role": "user", "content": "[[bash ls]]" },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "t", "name": "Bash", "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": "ok" }] },
        { "role": "system", "content": added },
    ]);
    assert_eq!(shown("", json!({ "messages": messages })).0, ["text also this"]);
}

#[test]
fn faults_come_first() {
    let mind = Mind::default();
    let request = request("[[sleep 9]] [[error 429 1 retry-after=3]] [[hang]]", json!({}));
    let first = mind.answer(&request);
    assert_eq!(first.delay, Duration::from_millis(9));
    assert!(matches!(first.outcome, Outcome::HttpError { status: 429, retry_after: Some(3) }));
    assert!(matches!(mind.answer(&request).outcome, Outcome::Silence));
}

use serde_json::json;

use super::*;

fn read(body: Value) -> MessagesRequest {
    MessagesRequest::read(body.to_string().as_bytes()).unwrap()
}

fn conversation(messages: Value) -> Conversation {
    read(json!({ "model": "m", "messages": messages })).conversation
}

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

fn assistant(text: &str) -> Value {
    json!({ "role": "assistant", "content": [{ "type": "text", "text": text }] })
}

fn result(text: &str, is_error: bool) -> Value {
    json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": text, "is_error": is_error }] })
}

#[test]
fn steps_are_counted_from_the_last_prompt() {
    let read = conversation(json!([
        user("one"),
        assistant("a"),
        user("two"),
        assistant("b"),
        result("ok", false),
        assistant("c"),
        result("bad", true),
    ]));
    assert_eq!((read.prompt.as_str(), read.step, read.earlier), ("two", 2, vec!["one".to_owned()]));
    assert_eq!(
        read.tool_results,
        [
            ToolResult { is_error: false, text: "ok".into() },
            ToolResult { is_error: true, text: "bad".into() }
        ]
    );
}

#[test]
fn the_environment_names_the_working_directory() {
    let read = conversation(json!([
        { "role": "user", "content": [
            { "type": "text", "text": "<system-reminder>\nx\n</system-reminder>\n" },
            { "type": "text", "text": "go" },
        ]},
        { "role": "system", "content": "# Environment\n - Primary working directory: /w/s\n - Platform: linux" },
    ]));
    assert_eq!((read.prompt.as_str(), read.working_directory.as_deref()), ("go", Some("/w/s")));
}

#[test]
fn a_prompt_after_a_failed_turn_stands_alone() {
    let texts = |texts: [&str; 3]| {
        let blocks: Vec<Value> = texts.iter().map(|text| json!({ "type": "text", "text": text })).collect();
        conversation(json!([{ "role": "user", "content": blocks }]))
    };
    let failed = texts(["first\n", "[Request interrupted by user]\n", "second"]);
    assert_eq!((failed.prompt.as_str(), failed.earlier), ("second", vec!["first".to_owned()]));
    let whole = texts(["first", "second", "third"]);
    assert_eq!((whole.prompt.as_str(), whole.earlier), ("first\nsecond\nthird", vec![]));
}

const GO_ON: &str = "Continue from where you left off.";

#[test]
fn a_prompt_to_go_on_belongs_to_the_prompt_before_and_words_of_the_cli_are_no_answer() {
    let before = json!([user("zero"), assistant("a"), user("one"), assistant("b"), result("ok", false)]);
    let with = |more: &[Value]| {
        conversation(before.as_array().unwrap().iter().chain(more).cloned().collect::<Vec<_>>().into())
    };
    let failed = with(&[assistant("API Error: 429"), user(GO_ON)]);
    let killed = with(&[assistant("No response requested."), user(&format!("{GO_ON} It is ten o'clock."))]);
    let gone_on = with(&[user(GO_ON), assistant("c"), result("ok", false), user(GO_ON), assistant("d")]);
    for (read, step) in [(&failed, 1), (&killed, 1), (&gone_on, 3)] {
        assert_eq!((read.prompt.as_str(), read.step, read.key), ("one", step, with(&[]).key));
        assert_eq!(read.earlier, ["zero"]);
    }
    assert_eq!(gone_on.tool_results.len(), 2);
}

#[test]
fn a_prompt_to_go_on_with_nothing_or_with_a_script_of_its_own_is_a_prompt() {
    assert_eq!(conversation(json!([user(GO_ON)])).prompt, GO_ON);
    let own = format!("{GO_ON} [[say other]]");
    let read = conversation(json!([user("one"), assistant("a"), user(&own)]));
    assert_eq!((read.prompt, read.step), (own, 0));
}

#[test]
fn a_prompt_to_go_on_in_the_message_of_a_prompt_that_failed_keeps_its_key() {
    let block = |text: &str| json!({ "type": "text", "text": text });
    let failed = conversation(json!([{ "role": "user", "content": [block("one")] }]));
    let read = conversation(json!([{ "role": "user", "content": [block("one\n"), block(GO_ON)] }]));
    assert_eq!((read.prompt.as_str(), read.step, read.key), ("one", 0, failed.key));
}

#[test]
fn a_notification_is_no_prompt() {
    let read = conversation(json!([
        user("go"),
        assistant("a"),
        user("<system-reminder>\n<task-notification>[[say x]]</task-notification>\n</system-reminder>"),
    ]));
    assert_eq!((read.prompt.as_str(), read.step), ("go", 1));
}

#[test]
fn the_key_ignores_what_changes_between_requests() {
    let first = json!([{ "role": "user", "content": [{ "type": "text", "text": "a", "cache_control": { "type": "ephemeral" } }] }]);
    let later = json!([user("a"), assistant("b"), result("c", false)]);
    assert_eq!(conversation(first).key, conversation(later).key);
    assert_ne!(conversation(json!([user("a")])).key, conversation(json!([user("b")])).key);
    let of_session = |session: &str| {
        read(json!({ "model": "m", "metadata": { "user_id": session }, "messages": [user("a")] }))
            .conversation
            .key
    };
    assert_ne!(of_session("1"), of_session("2"));
}

#[test]
fn reads_what_the_request_offers() {
    let read = read(json!({
        "model": "m", "stream": true, "thinking": { "type": "adaptive" }, "tools": [{ "name": "Write" }],
        "system": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }], "messages": [user("x")],
    }));
    assert_eq!(
        (read.stream, read.thinking, read.tools.as_slice(), read.system.as_str()),
        (true, true, ["Write".to_owned()].as_slice(), "a\nb")
    );
}

#[test]
fn side_requests_of_the_cli_are_known() {
    let billing = "x-anthropic-billing-header: cc_version=2.1.330";
    let side = |body: Value| read(body).is_side_request();
    let schema = json!({ "format": { "type": "json_schema", "schema": { "type": "object" } } });
    assert!(side(json!({ "model": "m", "tools": [], "output_config": schema, "messages": [user("x")] })));
    assert!(side(json!({ "model": "m", "system": billing, "messages": [user("x")] })));
    assert!(!side(json!({ "model": "m", "messages": [user("x")] })));
    assert!(!side(
        json!({ "model": "m", "system": billing, "thinking": { "type": "adaptive" }, "messages": [user("x")] })
    ));
    assert!(!side(
        json!({ "model": "m", "system": billing, "tools": [{ "name": "Bash" }], "messages": [user("x")] })
    ));
}

#[test]
fn bad_bodies_are_refused_by_name() {
    let refusal = |body: &str| MessagesRequest::read(body.as_bytes()).unwrap_err().to_string();
    assert!(refusal("{").starts_with("The request body is not valid JSON"));
    assert_eq!(refusal(r#"{"model":"m"}"#), "messages: Field required");
    assert_eq!(refusal(r#"{"messages":[]}"#), "model: Field required");
    assert_eq!(refusal(r#"{"model":"m","messages":[]}"#), "messages: at least one message is required");
    assert_eq!(
        refusal(r#"{"model":"m","messages":[{"role":"user"}]}"#),
        "messages.0.content: Field required"
    );
}

use super::*;
use crate::directive::ToolInput;
use crate::usage::InputTokens;

fn reply(blocks: Vec<Block>, interruptions: Vec<Interruption>) -> Reply {
    Reply {
        id: "msg_1".into(),
        model: "m".into(),
        blocks,
        stop_reason: "end_turn".into(),
        input: InputTokens { uncached: 7, ..InputTokens::default() },
        output_tokens: None,
        interruptions,
    }
}

/// The data of an event, or what else the sender does.
fn shown(action: Action) -> Value {
    match action {
        Action::Send(bytes) => {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let (name, data) = text.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap();
            assert_eq!(data["type"], name);
            data
        }
        other => json!(format!("{other:?}")),
    }
}

fn shown_all(reply: Reply) -> Vec<Value> {
    actions(reply).map(shown).collect()
}

#[test]
fn a_text_is_streamed_as_the_api_does() {
    let usage = |output| InputTokens { uncached: 7, ..InputTokens::default() }.usage(output);
    let text_delta = |text: &str| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
    assert_eq!(
        shown_all(reply(vec![Block::Text("sixteen chars äöü!".into())], vec![])),
        [
            json!({ "type": "message_start", "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                "stop_reason": null, "stop_sequence": null, "usage": usage(1),
            }}),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "ping" }),
            text_delta("sixteen chars äö"),
            text_delta("ü!"),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null }, "usage": usage(6) }),
            json!({ "type": "message_stop" }),
        ]
    );
}

#[test]
fn thinking_ends_with_its_signature_and_input_comes_in_pieces() {
    let input = ToolInput::Json(json!({ "command": "echo a long command" }));
    let tool = Block::ToolUse { id: "toolu_1".into(), name: "Bash".into(), input: input.clone() };
    let events = shown_all(reply(vec![Block::Thinking("hm".into()), tool], vec![]));
    let deltas: Vec<&Value> =
        events.iter().filter_map(|event| event.get("delta")?.get("type").map(|_| &event["delta"])).collect();
    assert_eq!(*deltas[0], json!({ "type": "thinking_delta", "thinking": "hm" }));
    assert_eq!(*deltas[1], json!({ "type": "signature_delta", "signature": SIGNATURE }));
    let pieces: Vec<&str> = deltas[2..].iter().map(|delta| delta["partial_json"].as_str().unwrap()).collect();
    assert!(pieces.len() > 2 && pieces[0].is_empty());
    assert_eq!(pieces.concat(), input.as_json());
}

#[test]
fn interruptions_come_after_some_deltas() {
    let stall = Interruption::Stall(Duration::from_millis(3));
    let tokens = Block::Tokens { count: 6, gap: Duration::ZERO };
    let events = shown_all(reply(vec![Block::Text("hi".into()), tokens], vec![stall, Interruption::Cut]));
    let place = events.iter().position(|event| event == "Wait(3ms)").unwrap();
    assert_eq!(events[place - 1]["delta"]["text"], "tok1 ");
    assert_eq!(events[place + 1], "Cut");
}

#[test]
fn an_error_event_ends_the_stream() {
    let broken = Interruption::ErrorEvent { error_type: "overloaded_error".into() };
    let events = shown_all(reply(vec![Block::Text("hi".into())], vec![broken]));
    let place = events.iter().position(|event| event["type"] == "error").unwrap();
    assert_eq!(events[place]["error"]["type"], "overloaded_error");
    assert_eq!(events[place + 1], "End");
}

#[test]
fn a_long_stream_is_made_as_it_is_read() {
    let tokens = Block::Tokens { count: 1_000_000, gap: Duration::from_millis(20) };
    let first: Vec<Value> = actions(reply(vec![tokens], vec![])).take(6).map(shown).collect();
    assert_eq!(
        (&first[3]["delta"]["text"], &first[4], &first[5]["delta"]["text"]),
        (&json!("tok0 "), &json!("Wait(20ms)"), &json!("tok1 "))
    );
}

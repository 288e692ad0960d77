use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{answer, body, events, get, model, post, types};
use scripted_model::{Options, Scenario, ScriptedModel};

#[tokio::test]
async fn a_whole_message() {
    let model = model().await;
    let mut message = answer(&model, "[[say Look:]] [[bash ls]]").await;
    for id in ["/id", "/content/1/id"] {
        assert!(message.pointer_mut(id).unwrap().take().as_str().unwrap().contains('_'));
    }
    assert_eq!(
        message,
        json!({
            "id": null, "type": "message", "role": "assistant", "model": "claude-opus-5-5",
            "content": [
                { "type": "text", "text": "Look:" },
                { "type": "tool_use", "id": null, "name": "Bash",
                  "input": { "command": "ls", "description": "Run a scripted command" } },
            ],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {
                "input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
                "output_tokens": 16, "service_tier": "standard",
            },
        })
    );
}

#[tokio::test]
async fn a_streamed_message() {
    let model = model().await;
    let response = post(&model, &body("[[bash ls]]", true)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let (events, complete) = events(response).await;
    let names = types(&events);
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    let input: String = events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    let input: Value = serde_json::from_str(&input).unwrap();
    assert_eq!((complete, &input["command"]), (true, &json!("ls")));
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn a_stream_of_tokens() {
    let model = model().await;
    let (events, _) = events(post(&model, &body("[[stream 20000]]", true)).await).await;
    let texts: Vec<&str> = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!((texts.len(), texts[0], texts[19_999]), (20_000, "tok0 ", "tok19999 "));
    assert_eq!(answer(&model, "[[stream 3]]").await["content"][0]["text"], "tok0 tok1 tok2 ");
}

#[tokio::test]
async fn waiting_takes_its_time() {
    let model = model().await;
    for (prompt, stream) in [
        ("[[sleep 80]] [[say a]]", true),
        ("[[stall 80]] [[say a]]", true),
        ("[[stall 80]] [[say a]]", false),
        ("[[stream 5 20]]", true),
    ] {
        let start = Instant::now();
        post(&model, &body(prompt, stream)).await.bytes().await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(80), "{prompt}");
    }
}

#[tokio::test]
async fn a_scenario_decides() {
    let scenario: Scenario =
        r#"{"name": "s", "rules": [{"match": {"prompt_contains": "login"}, "steps": ["[[say from the rule]]"]}]}"#
            .parse()
            .unwrap();
    let model =
        ScriptedModel::start(Options { scenario: Some(scenario), ..Options::default() }).await.unwrap();
    assert_eq!(answer(&model, "login [[say no]]").await["content"][0]["text"], "from the rule");
    assert_eq!(answer(&model, "else [[say yes]]").await["content"][0]["text"], "yes");
}

#[tokio::test]
async fn tokens_are_counted() {
    let model = model().await;
    let url = format!("{}/v1/messages/count_tokens?beta=true", model.base_url());
    let body =
        json!({ "model": "m", "system": "12345678", "messages": [{ "role": "user", "content": "1234" }] });
    let counted: Value =
        reqwest::Client::new().post(url).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(counted, json!({ "input_tokens": 3 }));
}

#[tokio::test]
async fn models_are_listed() {
    let model = model().await;
    let list: Value = get(&model, "/v1/models").await.json().await.unwrap();
    let first = &list["data"][0];
    assert_eq!((&list["first_id"], &list["has_more"]), (&first["id"], &json!(false)));
    let one: Value =
        get(&model, &format!("/v1/models/{}", first["id"].as_str().unwrap())).await.json().await.unwrap();
    assert_eq!(&one, first);
    assert_eq!(get(&model, "/v1/models/gpt").await.status(), 404);
}

#[tokio::test]
async fn the_root_answers() {
    let model = model().await;
    let head = reqwest::Client::new().head(model.base_url()).send().await.unwrap();
    assert_eq!((head.status().as_u16(), get(&model, "/").await.status().as_u16()), (200, 200));
    assert!(head.headers()["request-id"].to_str().unwrap().starts_with("req_"));
}

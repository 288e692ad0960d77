//! The API over a real socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its support code too")]

#[path = "http/errors.rs"]
mod errors;
#[path = "http/lifetime.rs"]
mod lifetime;
#[path = "http/messages.rs"]
mod messages;
#[path = "http/records.rs"]
mod records;

use reqwest::{Client, Response};
use scripted_model::{Options, ScriptedModel};
use serde_json::{Value, json};

async fn model() -> ScriptedModel {
    ScriptedModel::start(Options::default()).await.unwrap()
}

/// A Messages body with this prompt.
fn body(prompt: &str, stream: bool) -> Value {
    json!({
        "model": "claude-opus-5-5", "max_tokens": 100, "stream": stream, "tools": [{ "name": "Bash" }],
        "messages": [{ "role": "user", "content": prompt }],
    })
}

async fn post(model: &ScriptedModel, body: &Value) -> Response {
    Client::new().post(format!("{}/v1/messages?beta=true", model.base_url())).json(body).send().await.unwrap()
}

async fn get(model: &ScriptedModel, path: &str) -> Response {
    reqwest::get(format!("{}{path}", model.base_url())).await.unwrap()
}

/// The answer to a prompt that asks for no stream.
async fn answer(model: &ScriptedModel, prompt: &str) -> Value {
    post(model, &body(prompt, false)).await.json().await.unwrap()
}

/// The data of all events that arrive, and whether the stream ended in order.
async fn events(mut response: Response) -> (Vec<Value>, bool) {
    let mut text = Vec::new();
    let complete = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    let text = String::from_utf8(text).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    (data.map(|data| serde_json::from_str(data).unwrap()).collect(), complete)
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

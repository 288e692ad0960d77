use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::{answer, body, events, get, model, post, types};

/// Checks the shape of an error and gives status, type and message.
async fn error(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let id = response.headers()["request-id"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    let (error_type, message) = (&body["error"]["type"], &body["error"]["message"]);
    let shape =
        json!({ "type": "error", "error": { "type": error_type, "message": message }, "request_id": id });
    assert_eq!(body, shape);
    (status, error_type.as_str().unwrap().to_owned(), message.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_status_has_its_type() {
    let model = model().await;
    for (status, expected) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (529, "overloaded_error"),
    ] {
        let (got, error_type, _) =
            error(post(&model, &body(&format!("[[error {status}]]"), true)).await).await;
        assert_eq!((got, error_type.as_str()), (status, expected));
    }
}

#[tokio::test]
async fn an_error_happens_as_often_as_said() {
    let model = model().await;
    let body = body("[[error 429 2 retry-after=7]] [[say ok]]", false);
    for _ in 0..2 {
        let response = post(&model, &body).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"7".parse().unwrap())
        );
    }
    assert_eq!(post(&model, &body).await.status(), 200);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let model = model().await;
    let url = format!("{}/v1/messages", model.base_url());
    let invalid = error(Client::new().post(&url).body("{").send().await.unwrap()).await;
    assert_eq!((invalid.0, invalid.1.as_str()), (400, "invalid_request_error"));
    let missing = error(post(&model, &json!({ "model": "m" })).await).await;
    assert_eq!(missing, (400, "invalid_request_error".into(), "messages: Field required".into()));
    let unknown = error(get(&model, "/v1/complete").await).await;
    assert_eq!(unknown, (404, "not_found_error".into(), "Not found: GET /v1/complete".into()));
    let large = vec![b' '; 64 * 1024 * 1024 + 1];
    let refused = error(Client::new().post(&url).body(large).send().await.unwrap()).await;
    assert_eq!((refused.0, refused.1.as_str()), (413, "request_too_large"));
}

#[tokio::test]
async fn a_cut_stream_ends_without_order() {
    let model = model().await;
    let prompt = "[[cut 2]] [[say a text that is long enough to be cut in the middle]]";
    let (before, complete) = events(post(&model, &body(prompt, true)).await).await;
    assert!(!complete);
    assert_eq!(types(&before)[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(types(&before)[3..], ["content_block_delta", "content_block_delta"]);
    assert!(post(&model, &body(prompt, false)).await.bytes().await.is_err());
    assert_eq!(answer(&model, prompt).await["stop_reason"], "end_turn");
}

#[tokio::test]
async fn an_error_in_mid_stream() {
    let model = model().await;
    let prompt = "[[midstream overloaded_error 2]] [[say a text]]";
    let (before, complete) = events(post(&model, &body(prompt, true)).await).await;
    assert_eq!(
        (complete, before.last().unwrap()["error"]["type"].as_str()),
        (true, Some("overloaded_error"))
    );
    let refused = error(post(&model, &body(prompt, false)).await).await;
    assert_eq!((refused.0, refused.1.as_str()), (529, "overloaded_error"));
    assert_eq!(post(&model, &body(prompt, false)).await.status(), 200);
}

#[tokio::test]
async fn a_bad_directive_is_explained() {
    let model = model().await;
    let text = answer(&model, "[[dance]]").await["content"][0]["text"].take();
    assert!(text.as_str().unwrap().starts_with("I do not understand [[dance]]"), "{text}");
}

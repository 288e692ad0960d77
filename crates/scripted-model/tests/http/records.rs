use reqwest::Client;

use super::{body, get, model, post};

#[tokio::test]
async fn requests_are_recorded_in_order() {
    let model = model().await;
    get(&model, "/nothing?x=1").await;
    let mut long = body(&"ä".repeat(4000), false);
    long["system"] = "äöü".into();
    let url = format!("{}/v1/messages", model.base_url());
    Client::new().post(&url).header("x-api-key", "k1").json(&long).send().await.unwrap();
    Client::new().post(&url).bearer_auth("k2").json(&body("hi", true)).send().await.unwrap();
    let requests = model.requests();
    let brief: Vec<_> = requests
        .iter()
        .map(|request| {
            (request.method.as_str(), request.path.as_str(), request.api_key.as_deref(), request.status)
        })
        .collect();
    assert_eq!(
        brief,
        [
            ("GET", "/nothing", None, Some(404)),
            ("POST", "/v1/messages", Some("k1"), Some(200)),
            ("POST", "/v1/messages", Some("k2"), Some(200)),
        ]
    );
    let long = &requests[1];
    assert_eq!((long.last_user_text.len(), long.system_chars, long.message_count), (4096, 3, 1));
    assert_eq!(
        (long.model.as_deref(), long.stream, &long.tools),
        (Some("claude-opus-5-5"), false, &vec!["Bash".into()])
    );
    assert!(
        requests[2].stream && requests[1].at <= requests[2].at && requests[1].at_unix_ms > 1_700_000_000_000
    );
}

#[tokio::test]
async fn waits_for_past_and_future_requests() {
    let model = model().await;
    post(&model, &body("past", false)).await;
    assert_eq!(model.wait_for_request(|request| request.last_user_text == "past").await.method, "POST");
    let future = body("future", false);
    let (found, _) = tokio::join!(
        model.wait_for_request(|request| request.last_user_text == "future" && request.status == Some(200)),
        post(&model, &future),
    );
    assert_eq!(found.last_user_text, "future");
}

#[tokio::test]
async fn only_the_last_requests_are_kept() {
    let model = model().await;
    let client = Client::new();
    for number in 0..4100 {
        client.get(format!("{}/{number}", model.base_url())).send().await.unwrap();
    }
    let requests = model.requests();
    assert_eq!((requests.len(), requests[0].path.as_str(), requests[4095].status), (4096, "/4", Some(404)));
}

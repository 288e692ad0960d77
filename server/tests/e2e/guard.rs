//! Who may call, and under which name.

use serde_json::json;
use testing::{EventStream, Server, ServerBuilder};

use crate::keys::made;
use crate::{BINARY, demo, task};

#[tokio::test]
async fn a_key_is_asked_for_everywhere_but_at_the_health_checks() {
    let server = ServerBuilder::demo(BINARY)
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_API_KEY", "right")
        .start()
        .await;
    for path in ["/health", "/ready"] {
        assert_eq!(server.get(path).await.0, 200, "{path}");
    }
    let body = task(&server, "t", "[[say hi]]");
    let post = || server.request("POST", "/api/v1/tasks").json(&body);
    let missing = post().send().await.expect("an answer");
    assert_eq!(
        (missing.status().as_u16(), &missing.headers()["www-authenticate"]),
        (401, &"Bearer".parse().expect("a value"))
    );
    for wrong in ["Bearer wrong", "Basic cmlnaHQ=", "right"] {
        assert_eq!(Server::send(post().header("authorization", wrong)).await.0, 403, "{wrong}");
    }
    assert_eq!(Server::send(post().header("x-api-key", "wrong")).await.0, 403);
    for (header, empty) in [("authorization", "Bearer "), ("authorization", ""), ("x-api-key", "")] {
        let answer = post().header(header, empty).send().await.expect("an answer");
        assert_eq!(told(&answer, "www-authenticate"), (401, "Bearer".to_owned()), "{header} is empty");
    }
    let both = post().header("x-api-key", "").header("authorization", "Bearer right");
    assert_eq!(Server::send(both).await.0, 200, "an empty one hides nothing");
    for path in ["/api/v1/tasks/t", "/api/v1/sessions", "/ws/tasks/t"] {
        assert_eq!(server.get(path).await.0, 401, "{path}");
    }
    assert_eq!(Server::send(post().header("authorization", "bearer right")).await.0, 200);
    assert_eq!(Server::send(post().header("x-api-key", "right")).await.0, 200);
    check_ticket(&server, &body).await;
    let url = format!("{}/ws/tasks/t", server.url().replacen("http", "ws", 1));
    let stream = EventStream::open(&url, &[("authorization", "Bearer right")]).await;
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("completed"));
}

/// The URL that an authenticated submission gives opens the stream without a header, once.
async fn check_ticket(server: &Server, body: &serde_json::Value) {
    let post = server.request("POST", "/api/v1/tasks").header("x-api-key", "right").json(body);
    let (_, answer) = Server::send(post).await;
    let url = answer["websocket_url"].as_str().expect("a URL").to_owned();
    let stream = EventStream::open(&url, &[]).await;
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("completed"));
    let (_, path) = url.split_once("/ws/").expect("a path");
    assert_eq!(server.get(&format!("/ws/{path}")).await.0, 401, "it is used up");
    let post =
        server.request("POST", "/api/v1/tickets").header("x-api-key", "right").json(&json!({"task_id": "t"}));
    let (status, ticket) = Server::send(post).await;
    let ticket = ticket["ticket"].as_str().expect("a ticket");
    for other in ["/ws/tasks/u", "/ws/events", "/api/v1/tasks/t", "/api/v1/events"] {
        assert_eq!((status, server.get(&format!("{other}?ticket={ticket}")).await.0), (200, 401), "{other}");
    }
    assert_eq!(server.get(&format!("/api/v1/tasks/t/events?ticket={ticket}")).await.0, 200);
    assert_eq!(server.get(&format!("/api/v1/tasks/t/events?ticket={ticket}")).await.0, 401);
}

/// An answer's status, and what a header of it says.
fn told(answer: &reqwest::Response, header: &str) -> (u16, String) {
    let value = answer.headers().get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
    (answer.status().as_u16(), value.to_owned())
}

#[tokio::test]
async fn a_caller_who_calls_too_often_is_told_when_to_come_back() {
    let server = ServerBuilder::stub(BINARY)
        .variable("API_RATE_LIMIT_PER_MINUTE", "3")
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_API_KEY", "right")
        .start()
        .await;
    let get = |key: &str| server.request("GET", "/api/v1/sessions").header("x-api-key", key).send();
    let new = made(server.folder(), &["new"]).await;
    assert_eq!(told(&get("right").await.expect("an answer"), "ratelimit-remaining"), (200, "2".to_owned()));
    for left in ["2", "1", "0"] {
        let answer = get("wrong").await.expect("an answer");
        assert_eq!(told(&answer, "ratelimit-remaining"), (403, left.to_owned()), "keys are not guessed fast");
    }
    let refused = get("wrong").await.expect("an answer");
    assert_eq!(told(&refused, "retry-after"), (429, "20".to_owned()));
    let problem: serde_json::Value = refused.json().await.expect("JSON");
    assert_eq!(problem["code"], json!("rate_limited"));
    let answer = get(&new).await.expect("an answer");
    assert_eq!(told(&answer, "retry-after").0, 429, "whoever guesses learns of no right key either");
    let answer = get("right").await.expect("an answer");
    let left = told(&answer, "ratelimit-remaining");
    assert_eq!(left, (200, "1".to_owned()), "who was known is not locked out");
    for _ in 0..10 {
        assert_eq!(server.get("/health").await.0, 200);
    }
}

#[tokio::test]
async fn foreign_names_and_foreign_pages_are_refused() {
    let server = demo().await;
    let health = |header: &str, value: &str| {
        Server::send(server.request("GET", "/health").header(header.to_owned(), value.to_owned()))
    };
    assert_eq!(health("host", "localhost:8000").await.0, 200);
    let (status, body) = health("host", "rebound.example:8000").await;
    assert_eq!((status, &body["code"]), (403, &json!("host_not_allowed")));
    assert_eq!(health("origin", "http://evil.example").await.0, 403);
    assert_eq!(health("origin", "null").await.0, 403);
    assert_eq!(health("origin", server.url()).await.0, 200);
}

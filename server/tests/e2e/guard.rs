//! Who may call, and under which name.

use serde_json::json;
use testing::{EventStream, Server, ServerBuilder};

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
    for wrong in ["Bearer wrong", "Bearer", "Basic cmlnaHQ=", "right"] {
        assert_eq!(Server::send(post().header("authorization", wrong)).await.0, 403, "{wrong}");
    }
    assert_eq!(Server::send(post().header("x-api-key", "wrong")).await.0, 403);
    for path in ["/api/v1/tasks/t", "/api/v1/sessions", "/ws/tasks/t"] {
        assert_eq!(server.get(path).await.0, 401, "{path}");
    }
    assert_eq!(Server::send(post().header("authorization", "bearer right")).await.0, 200);
    assert_eq!(Server::send(post().header("x-api-key", "right")).await.0, 200);
    let url = format!("{}/ws/tasks/t", server.url().replacen("http", "ws", 1));
    let stream = EventStream::open(&url, &[("authorization", "Bearer right")]).await;
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("completed"));
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

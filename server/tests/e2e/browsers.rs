//! Proxies, web pages of other servers, and what answers tell browsers.

use reqwest::header::HeaderMap;
use serde_json::json;
use testing::{EventStream, Server, ServerBuilder};

use crate::{BINARY, task};

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let with = |request: reqwest::RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
    headers.iter().fold(server.request("GET", path), with).send().await.expect("an answer")
}

#[tokio::test]
async fn json_is_compressed_and_events_are_not() {
    let server = ServerBuilder::stub(BINARY).start().await;
    for n in 0..8 {
        let id = format!("t{n}");
        server.submit(&task(&server, &id, "hi")).await;
        server.stream(&id, "").await.finish().await.assert_whole();
    }
    let told = async |path: &str, encoding: &str, accept: &str| {
        let answer = get(&server, path, &[("accept-encoding", encoding), ("accept", accept)]).await;
        let vary: Vec<_> =
            answer.headers().get_all("vary").iter().map(|value| value.to_str().expect("text")).collect();
        (header(answer.headers(), "content-encoding").map(str::to_owned), vary.join(", "))
    };
    let vary = || "accept-encoding".to_owned();
    assert_eq!(told("/api/v1/tasks", "gzip, br", "*/*").await, (Some("br".into()), vary()));
    assert_eq!(told("/api/v1/tasks", "gzip", "*/*").await, (Some("gzip".into()), vary()));
    assert_eq!(told("/api/v1/tasks", "identity", "*/*").await, (None, vary()));
    assert_eq!(told("/openapi.json", "gzip", "*/*").await, (Some("gzip".into()), vary()));
    assert_eq!(told("/health", "gzip", "*/*").await, (None, String::new()), "it is small");
    let events = told("/api/v1/tasks/t0/events", "gzip, br", "text/event-stream").await;
    assert_eq!(events, (None, "Accept".to_owned()));
}

#[tokio::test]
async fn answers_tell_browsers_to_be_careful() {
    let server = ServerBuilder::stub(BINARY).start().await;
    for (path, cached) in [
        ("/health", "no-store"),
        ("/api/v1/tasks", "no-store"),
        ("/api/v1/tasks/none", "no-store"),
        ("/nowhere", "no-store"),
        ("/docs", "no-store"),
        ("/docs/start.js", "max-age=3600"),
    ] {
        let answer = get(&server, path, &[]).await;
        let told = ["x-content-type-options", "referrer-policy", "cache-control"]
            .map(|name| header(answer.headers(), name));
        assert_eq!(told, [Some("nosniff"), Some("no-referrer"), Some(cached)], "{path}");
    }
    let page = get(&server, "/docs", &[]).await;
    assert!(
        header(page.headers(), "content-security-policy").is_some_and(|policy| policy.contains("'self'"))
    );
}

const PAGE: &str = "https://app.example.com";

#[tokio::test]
async fn pages_of_named_origins_may_call_and_others_may_not() {
    let server = ServerBuilder::stub(BINARY)
        .variable("API_CORS_ORIGINS", PAGE)
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_API_KEY", "k")
        .start()
        .await;
    let preflight = async |origin: &str| {
        let request = server
            .request("OPTIONS", "/api/v1/tasks")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        request.send().await.expect("an answer").headers().clone()
    };
    let told = preflight(PAGE).await;
    assert_eq!(header(&told, "access-control-allow-origin"), Some(PAGE));
    assert_eq!(header(&told, "access-control-allow-methods"), Some("GET,POST,PUT,PATCH,DELETE"));
    let allowed = header(&told, "access-control-allow-headers").unwrap_or_default();
    assert!(allowed.contains("authorization") && allowed.contains("x-api-key"), "{allowed}");
    assert_eq!(header(&told, "access-control-allow-credentials"), None);
    assert_eq!(header(&preflight("https://evil.example").await, "access-control-allow-origin"), None);

    // A refusal can be read by the page, too.
    for (key, status) in [("k", 200), ("wrong", 403)] {
        let answer = get(&server, "/api/v1/tasks", &[("origin", PAGE), ("x-api-key", key)]).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), Some(PAGE));
        let exposed = header(answer.headers(), "access-control-expose-headers").unwrap_or_default();
        assert!(exposed.contains("retry-after") && exposed.contains("ratelimit-limit"), "{exposed}");
    }
    let foreign =
        get(&server, "/api/v1/tasks", &[("origin", "https://evil.example"), ("x-api-key", "k")]).await;
    assert_eq!(foreign.status().as_u16(), 403);
    let url = format!("{}/ws/events", server.url().replacen("http", "ws", 1));
    let stream = EventStream::open(&url, &[("origin", PAGE), ("x-api-key", "k")]).await;
    assert_eq!(stream.close().await, Some(1000));
}

#[tokio::test]
async fn without_named_origins_nothing_is_said_about_them() {
    let server = ServerBuilder::stub(BINARY).start().await;
    let answer = get(&server, "/health", &[]).await;
    assert!(!answer.headers().keys().any(|name| name.as_str().starts_with("access-control-")));
    assert_eq!(get(&server, "/health", &[("origin", PAGE)]).await.status().as_u16(), 403);
}

const FROM: [(&str, &str); 3] = [
    ("x-forwarded-for", "6.6.6.6, 203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "agents.example.com"),
];

/// Submits as a proxy does.
async fn submit(server: &Server, id: &str) -> (u16, serde_json::Value) {
    let post = server.request("POST", "/api/v1/tasks").json(&task(server, id, "hi"));
    Server::send(FROM.iter().fold(post, |post, (name, value)| post.header(*name, *value))).await
}

#[tokio::test]
async fn a_trusted_proxy_tells_scheme_name_and_caller() {
    let server = ServerBuilder::stub(BINARY)
        .variable("SERVER_TRUSTED_PROXIES", "127.0.0.0/8")
        .variable("SERVER_PUBLIC_URL", "")
        .start()
        .await;
    let (status, submitted) = submit(&server, "t").await;
    let url = json!("wss://agents.example.com/ws/tasks/t");
    assert_eq!(
        (status, &submitted["websocket_url"]),
        (200, &url),
        "which names get through, the proxy decides"
    );
    let rebound = [&FROM[..], &[("host", "evil.example")]].concat();
    let refused = get(&server, "/api/v1/tasks", &rebound).await;
    assert_eq!(refused.status().as_u16(), 403, "the name that it was called by itself is checked");

    let server = ServerBuilder::stub(BINARY)
        .variable("SERVER_TRUSTED_PROXIES", "127.0.0.0/8")
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_API_KEY", "k")
        .start()
        .await;
    let post =
        server.request("POST", "/api/v1/tasks").header("x-api-key", "k").json(&task(&server, "t", "hi"));
    let (_, submitted) =
        Server::send(FROM.iter().fold(post, |post, (name, value)| post.header(*name, *value))).await;
    let url = submitted["websocket_url"].as_str().unwrap_or_default();
    assert!(url.starts_with("wss://agents.example.com/ws/tasks/t?ticket="), "{url}");

    // Callers behind it are counted each by itself, although it stands on this machine; what they wrote themselves is nothing.
    let left = async |chain: &str| {
        let answer = get(&server, "/api/v1/tasks", &[("x-forwarded-for", chain)]).await;
        header(answer.headers(), "ratelimit-remaining").map(str::to_owned)
    };
    assert_eq!(left("203.0.113.1").await.as_deref(), Some("99"));
    assert_eq!(left("9.9.9.9, 203.0.113.1").await.as_deref(), Some("98"));
    assert_eq!(left("203.0.113.2").await.as_deref(), Some("99"));
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let server = ServerBuilder::stub(BINARY).variable("SERVER_TRUSTED_PROXIES", "10.0.0.0/8").start().await;
    let (status, submitted) = submit(&server, "t").await;
    let url = format!("{}/ws/tasks/t", server.url().replacen("http", "ws", 1));
    assert_eq!((status, &submitted["websocket_url"]), (200, &json!(url)));
    let answer = get(&server, "/api/v1/tasks", &FROM).await;
    assert_eq!(header(answer.headers(), "ratelimit-remaining"), None, "it is a caller on this machine");
}

//! Slow, many and unusual clients.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use testing::{Server, ServerBuilder};
use tokio::io::AsyncWriteExt;

use crate::wire::{answer, ask, closed, connect, status};
use crate::{BINARY, task};

async fn server(variables: &[(&str, &str)]) -> Server {
    let set = |builder: ServerBuilder, (name, value): &(&str, &str)| builder.variable(name, value);
    variables.iter().fold(ServerBuilder::stub(BINARY), set).start().await
}

#[tokio::test]
async fn a_request_that_does_not_arrive_is_cut_while_others_are_served() {
    let server = server(&[]).await;
    let (mut silent, mut slow) = (connect(server.url()).await, connect(server.url()).await);
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-").await.expect("sent");
    let mut used = connect(server.url()).await;
    assert_eq!(status(&ask(&mut used, "/health", "").await.0), "200");
    let (silent, slow) = tokio::join!(closed(&mut silent), closed(&mut slow));
    assert_eq!((silent, slow), (Vec::new(), Vec::new()));
    assert_eq!(status(&ask(&mut used, "/health", "").await.0), "200", "it was idle for no less long");
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let server = server(&[]).await;
    let many = "A: b\r\n".repeat(200);
    let large = format!("A: {}\r\n", "b".repeat(100_000));
    for headers in [many, large] {
        let mut wire = connect(server.url()).await;
        assert_eq!(status(&ask(&mut wire, "/health", &headers).await.0), "431");
    }
    assert_eq!(server.get("/health").await.0, 200);
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_hold_the_end() {
    let server = server(&[]).await;
    let mut slow = connect(server.url()).await;
    slow.write_all(b"GET /health HTTP/1.1\r\nHost:").await.expect("sent");
    let mut idle = connect(server.url()).await;
    assert_eq!(status(&ask(&mut idle, "/health", "").await.0), "200");
    server.terminate();
    let stopped = server.ended().await;
    assert_eq!(stopped.code, Some(0));
    assert!(!stopped.log.iter().any(|line| line.contains("were cut")), "{:#?}", stopped.log);
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_one_that_ends_makes_room() {
    let server = server(&[("SERVER_MAX_CONNECTIONS", "2")]).await;
    let (mut first, mut second) = (connect(server.url()).await, connect(server.url()).await);
    for wire in [&mut first, &mut second] {
        assert_eq!(status(&ask(wire, "/health", "").await.0), "200");
    }
    let mut third = connect(server.url()).await;
    let (head, body) = answer(&mut third).await;
    assert_eq!((status(&head), head.contains("retry-after: 5")), ("503", true));
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["code"], json!("at_capacity"));
    assert_eq!(status(&ask(&mut first, "/health", "").await.0), "200");
    drop(second);
    until_served(&server).await;
}

/// Connects until there is room.
async fn until_served(server: &Server) {
    let served =
        async || server.request("GET", "/health").send().await.map(|answer| answer.status().as_u16());
    while served().await.ok() != Some(200) {}
}

#[tokio::test]
async fn an_address_has_its_share_of_connections_and_websockets_count() {
    let server = server(&[("SERVER_MAX_CONNECTIONS_PER_ADDRESS", "1")]).await;
    let url = format!("{}/ws/events", server.url().replacen("http", "ws", 1));
    let stream = testing::EventStream::open(&url, &[]).await;
    assert_eq!(status(&answer(&mut connect(server.url()).await).await.0), "503");
    assert_eq!(stream.close().await, Some(1000));
    until_served(&server).await;
}

#[tokio::test]
async fn a_server_without_files_to_open_serves_who_is_there_and_recovers() {
    let server = server(&[]).await;
    let mut there = connect(server.url()).await;
    assert_eq!(status(&ask(&mut there, "/health", "").await.0), "200");
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
    let before =
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(3), maximum: Some(1024) }).expect("set");
    let mut waits = connect(server.url()).await;
    waits.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    assert_eq!(status(&ask(&mut there, "/health", "").await.0), "200");
    let enough = Rlimit { current: Some(1024), maximum: Some(1024) };
    prlimit(pid, Resource::Nofile, enough).expect("set");
    assert!(before.current.is_some_and(|files| files > 3));
    assert_eq!(status(&answer(&mut waits).await.0), "200");
    server.terminate();
    assert_eq!(server.ended().await.code, Some(0));
}

/// The URL of the stream that a submission is told, whose request names the server in this line.
async fn websocket_url(server: &Server, id: &str, version: &str, host: &str) -> String {
    let body = task(server, id, "hi").to_string();
    let length = body.len();
    let request =
        format!("POST /api/v1/tasks HTTP/{version}\r\n{host}Content-Length: {length}\r\n\r\n{body}");
    let mut wire = connect(server.url()).await;
    wire.write_all(request.as_bytes()).await.expect("sent");
    let (head, body) = answer(&mut wire).await;
    assert_eq!(status(&head), "200", "{body}");
    let submitted: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    submitted["websocket_url"].as_str().expect("a URL").to_owned()
}

#[tokio::test]
async fn streams_have_urls_that_can_be_connected_to_whatever_the_server_was_called() {
    let server = server(&[]).await;
    let (_, port) = server.url().rsplit_once(':').expect("a port");
    let expected = |id: &str| format!("ws://127.0.0.1:{port}/ws/tasks/{id}");
    let unspecified = format!("Host: 0.0.0.0:{port}\r\n");
    assert_eq!(websocket_url(&server, "a", "1.1", &unspecified).await, expected("a"));
    assert_eq!(websocket_url(&server, "b", "1.0", "").await, expected("b"));
}

#[tokio::test]
async fn http_2_needs_no_tls_and_carries_event_streams() {
    let server = server(&[]).await;
    server.submit(&task(&server, "t", "hi")).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let get =
        client.get(format!("{}/api/v1/tasks/t/events", server.url())).header("accept", "text/event-stream");
    let answer = get.send().await.expect("an answer");
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    let events = answer.text().await.expect("events");
    assert!(events.contains("event: complete"), "{events}");
    let post = client.post(format!("{}/api/v1/tasks", server.url())).json(&task(&server, "u", "hi"));
    let (_, submitted) = Server::send(post).await;
    let url = format!("{}/ws/tasks/u", server.url().replacen("http", "ws", 1));
    assert_eq!(submitted["websocket_url"], json!(url), "the name is in :authority");
}

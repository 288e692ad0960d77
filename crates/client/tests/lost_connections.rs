//! What the client makes of a server that loses connections, answers twice or in disorder, and goes away.

#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::time::Duration;

use api::TaskRequest;
use client::{Client, ClientError, Followed};
use domain::TaskId;
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

fn task() -> TaskId {
    TaskId::parse("t1").expect("valid")
}

/// Takes a stream in, and gives the query that it was asked with.
async fn stream(listener: &TcpListener) -> (tokio_tungstenite::WebSocketStream<TcpStream>, String) {
    let (connection, _) = listener.accept().await.expect("a connection");
    let mut asked = String::new();
    #[expect(clippy::result_large_err, reason = "the handshake's own type")]
    let read = |request: &Request, response: Response| {
        asked = request.uri().to_string();
        Ok(response)
    };
    let socket = accept_hdr_async(connection, read).await.expect("a handshake");
    (socket, asked)
}

fn event(seq: u64, kind: &str) -> Message {
    let event = json!({"type": kind, "seq": seq, "task_id": "t1", "data": {"exit_code": 124}});
    Message::Text(event.to_string().into())
}

#[tokio::test]
async fn every_event_comes_once_over_cut_doubled_and_torn_streams() {
    let (listener, url) = listener().await;
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        // Each entry is a connection: what it sends, and how it ends.
        let close = |code: u16| Message::Close(Some(CloseFrame { code: code.into(), reason: "stop".into() }));
        for messages in [
            vec![event(1, "message"), event(2, "message")],
            vec![event(2, "message"), event(3, "message"), event(5, "message")],
            vec![event(4, "message"), close(1012)],
            vec![event(5, "complete"), event(6, "message")],
        ] {
            let (mut socket, query) = stream(&listener).await;
            asked.push(query);
            for message in messages {
                // The client leaves when it has what it wanted.
                socket.send(message).await.ok();
            }
        }
        asked
    });
    let client = Client::new(&url, None).expect("a client");
    let mut follower = client.follow(&task(), 0);
    let (mut told, mut losses, mut code) = (Vec::new(), 0, None);
    while let Some(followed) = follower.next().await.expect("it goes on") {
        match followed {
            Followed::Event(event) => {
                told.push(event.seq().expect("a number"));
                code = event.exit_code();
            }
            Followed::Lost(_) => losses += 1,
        }
    }
    assert_eq!((told, losses, code), (vec![1, 2, 3, 4, 5], 3, Some(124)));
    let after = |seq: u64| format!("/ws/tasks/t1?after={seq}");
    assert_eq!(server.await.expect("a server"), [after(0), after(2), after(3), after(4)]);
}

#[tokio::test]
async fn a_task_that_is_not_there_is_no_reason_to_connect_again() {
    let (listener, url) = listener().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = stream(&listener).await;
        let close = CloseFrame { code: 1008.into(), reason: "there is no such task".into() };
        socket.send(event(0, "error")).await.expect("sent");
        socket.send(Message::Close(Some(close))).await.expect("sent");
    });
    let client = Client::new(&url, None).expect("a client");
    let mut follower = client.follow(&task(), 7);
    let error = follower.next().await.expect_err("a refusal");
    assert_eq!((error.code(), follower.cursor()), (Some("task_not_found"), 7), "an event 0 moves no cursor");
    server.await.expect("a server");
}

/// Reads a request to its end; gives its body.
async fn request(connection: &mut TcpStream) -> Value {
    let mut read = Vec::new();
    loop {
        connection.read_buf(&mut read).await.expect("a request");
        let text = String::from_utf8_lossy(&read);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return body;
        }
    }
}

async fn answer(connection: &mut TcpStream, status: &str, body: &Value) {
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nretry-after: 0\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(answer.as_bytes()).await.expect("sent");
}

fn submission() -> TaskRequest {
    TaskRequest { prompt: "p".to_owned(), workspace: "/w".to_owned(), ..TaskRequest::default() }
}

#[tokio::test]
async fn a_submission_whose_answer_was_lost_is_made_again_with_the_same_id() {
    let (listener, url) = listener().await;
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let lost = request(&mut connection).await;
        drop(connection);
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let busy = request(&mut connection).await;
        let problem = json!({"code": "queue_full", "detail": "full"});
        answer(&mut connection, "503 Service Unavailable", &problem).await;
        drop(connection);
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let admitted = request(&mut connection).await;
        let id = admitted["task_id"].clone();
        let task = json!({"task_id": id, "session_id": "s", "status": "pending", "websocket_url": "ws://x",
            "created_at": "2026-01-19T10:00:05.123Z", "queue_position": 1, "estimated_start_at": null});
        answer(&mut connection, "200 OK", &task).await;
        [lost, busy, admitted]
    });
    let client = Client::new(&url, None).expect("a client");
    let task = client.submit(submission()).await.expect("admitted");
    let [lost, busy, admitted] = server.await.expect("a server");
    assert_eq!(admitted["task_id"], task.task_id.as_str());
    assert_eq!((&lost, &busy), (&admitted, &admitted));
}

#[tokio::test]
async fn a_server_that_was_never_there_is_not_waited_for_and_one_that_was_only_so_long() {
    let (listener, url) = listener().await;
    let client = Client::new(&url, None).expect("a client").with_patience(Duration::from_millis(150));
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        request(&mut connection).await;
    });
    let submitted = client.submit(submission()).await;
    assert!(matches!(submitted, Err(ClientError::Lost { .. })), "{submitted:?}");
    server.await.expect("a server");
    let stranger = Client::new(&url, None).expect("a client");
    let submitted = stranger.submit(submission()).await;
    assert!(matches!(submitted, Err(ClientError::Unreachable { .. })), "{submitted:?}");
    let followed = stranger.follow(&task(), 0).next().await;
    assert!(matches!(followed, Err(ClientError::Unreachable { .. })), "{followed:?}");
}

#[test]
fn what_is_no_address_or_key_is_named() {
    for server in ["here", "ftp://x", "http://x?y", "unix:/run/x"] {
        assert!(matches!(Client::new(server, None), Err(ClientError::Address { .. })), "{server}");
    }
    assert!(matches!(Client::new("http://x", Some("a\nb")), Err(ClientError::ApiKey)));
    assert_eq!(Client::new("", None).expect("a client").server(), client::LOCAL_SERVER);
    assert_eq!(Client::new("http://x/base/", Some("")).expect("a client").server(), "http://x/base");
}

/// Answers one request of a client with this, and gives what the client makes of it.
async fn told(answer: &'static str) -> ClientError {
    let (listener, url) = listener().await;
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        connection.read_u8().await.expect("a request");
        connection.write_all(answer.as_bytes()).await.expect("sent");
        // Nothing more is said until the client leaves.
        connection.read_to_end(&mut Vec::new()).await.ok();
    });
    let client = Client::new(&url, Some("key")).expect("a client");
    let error = client.submit(submission()).await.expect_err("no answer of such a server");
    drop(client);
    server.await.expect("a server");
    error
}

#[tokio::test]
async fn a_server_that_sends_on_is_named_and_not_followed() {
    let error =
        told("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(
        error.to_string(),
        "the server sends on to another address: give that one (302 no_problem_body)"
    );
    assert!(!error.leaves_open());
}

#[tokio::test]
async fn a_first_answer_that_stops_halfway_is_given_up() {
    let error = told("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    assert!(matches!(error, ClientError::Silent { .. }), "{error:?}");
    assert!(error.leaves_open());
}

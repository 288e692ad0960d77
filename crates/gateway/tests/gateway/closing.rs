//! Ends: of the agent, of the upstream, of the gateway.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::upstream::{RawUpstream, gateway, post, soon};

#[tokio::test]
async fn an_agent_that_goes_away_takes_its_request_with_it() {
    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let waiting = tokio::spawn(post(&endpoint, "/v1/messages").body("{}").send());
    let exchange = upstream.request().await;
    waiting.abort();
    exchange.closed().await;

    let reading = tokio::spawn(post(&endpoint, "/v1/messages").body("{}").send());
    let mut exchange = upstream.request().await;
    exchange.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    let mut answer = soon(reading).await.expect("sent").expect("an answer");
    assert_eq!(soon(answer.chunk()).await.expect("a piece").as_deref(), Some(&b"x"[..]));
    drop(answer);
    exchange.closed().await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_or_breaks_off_ends_the_connection() {
    let nowhere = gateway("http://127.0.0.1:1");
    let endpoint = nowhere.open();
    let url = endpoint.base_url();
    let (host, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
    let mut agent = TcpStream::connect(host).await.expect("a connection");
    let key = secrecy::ExposeSecret::expose_secret(&endpoint.api_key()).to_owned();
    let head = format!("GET /{path}/v1/models HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\n\r\n");
    agent.write_all(head.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    soon(agent.read_to_end(&mut answer)).await.expect("an end");
    assert_eq!(String::from_utf8_lossy(&answer), "");

    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let answer = tokio::spawn(post(&endpoint, "/v1/messages").send());
    let mut exchange = upstream.request().await;
    exchange.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    let mut answer = soon(answer).await.expect("sent").expect("an answer");
    assert_eq!(soon(answer.chunk()).await.expect("a piece").as_deref(), Some(&b"x"[..]));
    drop(exchange);
    assert!(soon(answer.chunk()).await.is_err(), "an answer that was cut off is not a whole one");
}

/// Sends a request that the gateway answers by itself.
async fn ask(connection: &mut TcpStream) {
    connection.write_all(b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n").await.expect("written");
}

async fn is_answered(connection: &mut TcpStream) {
    let mut answer = [0; 9];
    soon(connection.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 ");
}

/// What an agent runs can connect as often as it likes, and must not use up all that the server may open.
#[tokio::test]
async fn a_connection_too_many_waits_until_another_one_ends() {
    let gateway = gateway("http://127.0.0.1:1");
    let url = gateway.open().base_url();
    let host = url.trim_start_matches("http://").split('/').next().expect("a host").to_owned();
    let mut connections = Vec::new();
    for _ in 0..512 {
        connections.push(TcpStream::connect(&host).await.expect("a connection"));
    }
    let mut late = TcpStream::connect(&host).await.expect("the system takes it");
    ask(&mut late).await;
    for connection in connections.iter_mut().rev().take(20) {
        ask(connection).await;
        is_answered(connection).await;
    }
    let nothing = late.try_read(&mut [0]).expect_err("not accepted").kind();
    assert_eq!(nothing, std::io::ErrorKind::WouldBlock);
    drop(connections.pop());
    is_answered(&mut late).await;
}

#[tokio::test]
async fn a_shutdown_closes_what_is_open() {
    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let waiting = tokio::spawn(post(&endpoint, "/v1/messages").send());
    let exchange = upstream.request().await;
    soon(gateway.shutdown()).await;
    assert!(soon(waiting).await.expect("sent").is_err());
    exchange.closed().await;
    let refused = soon(post(&endpoint, "/v1/messages").send()).await.expect_err("nobody listens");
    assert!(refused.is_connect(), "{refused}");

    let another = upstream.gateway();
    let endpoint = another.open();
    let waiting = tokio::spawn(post(&endpoint, "/v1/messages").send());
    let exchange = upstream.request().await;
    drop(another);
    assert!(soon(waiting).await.expect("sent").is_err());
    exchange.closed().await;
}

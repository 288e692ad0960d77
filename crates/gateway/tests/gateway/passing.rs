//! What passes through, and what does not.

use gateway::{Gateway, Upstream, UpstreamCredential};
use scripted_model::{Options, ScriptedModel};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::upstream::{REAL_KEY, RawUpstream, client, post, soon};

fn sent(request: reqwest::RequestBuilder) -> JoinHandle<reqwest::Result<reqwest::Response>> {
    tokio::spawn(request.send())
}

#[tokio::test]
async fn a_request_and_its_answer_are_the_same_on_both_sides_but_for_the_key() {
    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let request = post(&endpoint, "/v1/messages?beta=true&q=a%20b")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip, br")
        .header("anthropic-version", "2023-06-01")
        .header("te", "trailers")
        .body("{\"a\":1}");
    let answer = sent(request);
    let mut exchange = upstream.request().await;
    exchange.read_body(7).await;
    assert_eq!(exchange.line(), "POST /v1/messages?beta=true&q=a%20b HTTP/1.1");
    let host = format!("host: {}", upstream.base_url().trim_start_matches("http://"));
    let mut headers = vec![
        "accept-encoding: gzip, br",
        "accept: application/json",
        "anthropic-version: 2023-06-01",
        "content-length: 7",
        &host,
        "x-api-key: the-real-key",
    ];
    headers.sort_unstable();
    assert_eq!(exchange.headers(), headers);
    assert_eq!(exchange.body, b"{\"a\":1}");
    // Not gzip at all: nobody looks.
    exchange
        .answer("418 I'm a teapot", "content-encoding: gzip\r\nrequest-id: req_1\r\nkeep-alive: 5\r\n")
        .await;
    let mut answer = soon(answer).await.expect("sent").expect("an answer");
    assert_eq!(answer.status(), 418);
    answer.headers_mut().remove("date");
    let headers: Vec<_> =
        answer.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let expected: [(&str, &[u8]); 3] =
        [("content-encoding", b"gzip"), ("request-id", b"req_1"), ("content-length", b"2")];
    assert_eq!(headers, expected);
    assert_eq!(answer.bytes().await.expect("a body").as_ref(), b"ok");
}

#[tokio::test]
async fn an_answer_arrives_piece_by_piece_while_it_is_written() {
    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let answer = sent(post(&endpoint, "/v1/messages").body("{}"));
    let mut exchange = upstream.request().await;
    exchange
        .send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let mut answer = soon(answer).await.expect("sent").expect("an answer");
    for piece in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        exchange.send(&format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        // The next piece is written only when this one has arrived.
        let chunk = soon(answer.chunk()).await.expect("a piece").expect("no end yet");
        assert_eq!(chunk.as_ref(), piece.as_bytes());
    }
    exchange.send("0\r\n\r\n").await;
    assert_eq!(soon(answer.chunk()).await.expect("an end"), None);
}

#[tokio::test]
async fn a_request_arrives_piece_by_piece_while_it_is_written() {
    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let url = endpoint.base_url();
    let (host, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
    let mut agent = TcpStream::connect(host).await.expect("a connection");
    let key = endpoint.api_key();
    let head = format!(
        "POST /{path}/v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-length: 6\r\n\r\n",
        key.expose_secret()
    );
    agent.write_all(head.as_bytes()).await.expect("written");
    agent.write_all(b"one").await.expect("written");
    let mut exchange = upstream.request().await;
    exchange.read_body(3).await;
    assert_eq!(exchange.body, b"one");
    agent.write_all(b"two").await.expect("written");
    exchange.read_body(6).await;
    assert_eq!(exchange.body, b"onetwo");
    exchange.answer("200 OK", "").await;
    let mut answer = String::new();
    soon(agent.read_to_string(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn a_body_of_32_megabytes_passes() {
    const LENGTH: usize = 32 * 1024 * 1024;
    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let answer = sent(post(&endpoint, "/v1/messages").body(vec![b'x'; LENGTH]));
    let mut exchange = upstream.request().await;
    exchange.read_body(LENGTH).await;
    assert!(exchange.headers().contains(&"content-length: 33554432"), "{:?}", exchange.headers());
    exchange.answer("200 OK", "").await;
    assert_eq!(soon(answer).await.expect("sent").expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_redirect_is_passed_on_and_not_followed() {
    let upstream = RawUpstream::start().await;
    let gateway = upstream.gateway();
    let endpoint = gateway.open();
    let answer = sent(post(&endpoint, "/v1/messages"));
    upstream.request().await.answer("307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n").await;
    let answer = soon(answer).await.expect("sent").expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (307, &"http://127.0.0.1:1/".parse().expect("a value"))
    );
}

#[tokio::test]
async fn the_model_sees_the_real_credential_of_either_kind() {
    let model = ScriptedModel::start(Options::default()).await.expect("a model");
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"[[say hi]]"}]}"#;
    for credential in
        [UpstreamCredential::ApiKey(REAL_KEY.into()), UpstreamCredential::AuthToken(REAL_KEY.into())]
    {
        // A slash at its end makes no difference.
        let upstream =
            Upstream { base_url: format!("{}/", model.base_url()), credential, most_connections: 512 };
        let gateway = Gateway::start(upstream, std::sync::Arc::default()).expect("a gateway");
        let endpoint = gateway.open();
        let by_bearer = client()
            .post(format!("{}/v1/messages", endpoint.base_url()))
            .bearer_auth(endpoint.api_key().expose_secret());
        for request in [post(&endpoint, "/v1/messages"), by_bearer] {
            let answer = soon(request.body(body).header("content-type", "application/json").send()).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), 200);
            assert!(answer.text().await.expect("text").contains("\"hi\""));
        }
        gateway.shutdown().await;
    }
    let seen: Vec<_> = model.requests().into_iter().map(|request| (request.path, request.api_key)).collect();
    assert_eq!(seen, vec![("/v1/messages".to_owned(), Some(REAL_KEY.to_owned())); 4]);
}

//! Unix sockets, and servers that systemd starts.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use testing::{EventStream, Server, ServerBuilder};
use tokio::net::{UnixDatagram, UnixStream};

use crate::wire::{ask, status};
use crate::{BINARY, task};

/// A server on a Unix socket alone.
fn on_socket(path: &Path) -> ServerBuilder {
    // An empty value is none.
    ServerBuilder::stub(BINARY)
        .variable("SERVER_PORT", "")
        .variable("SERVER_UNIX_SOCKET", &path.display().to_string())
}

#[tokio::test]
async fn a_unix_socket_serves_everything_and_goes_with_its_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ccs.sock");
    // A server that died leaves its socket.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    let server =
        on_socket(&path).variable("SERVER_HOST", "0.0.0.0").variable("SERVER_UNIX_SOCKET_MODE", "0600");
    let server = server.start().await;
    assert_eq!(server.url(), format!("unix:{}", path.display()));
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let client = reqwest::Client::builder().unix_socket(path.as_path()).no_proxy().build().expect("a client");
    let post = client.post("http://localhost/api/v1/tasks").json(&task(&server, "t", "hi"));
    let (code, submitted) = Server::send(post).await;
    assert_eq!((code, &submitted["websocket_url"]), (200, &json!("ws://localhost/ws/tasks/t")));
    let wire = UnixStream::connect(&path).await.expect("a connection");
    let stream = EventStream::over(Box::new(wire), "ws://localhost/ws/tasks/t", &[]).await;
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("completed"));

    let (code, stderr) = on_socket(&path).refused().await;
    let expected = format!(
        "claude-code-server: SERVER_UNIX_SOCKET={}: a server listens there: stop it, or choose another path\n",
        path.display()
    );
    assert_eq!((code, stderr), (Some(2), expected));
    server.terminate();
    assert_eq!((server.ended().await.code, path.exists()), (Some(0), false));
}

#[tokio::test]
async fn a_port_that_is_asked_for_is_there_beside_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ccs.sock");
    let server = on_socket(&path).variable("SERVER_PORT", "0").start().await;
    assert_eq!(server.get("/health").await.0, 200);
    let mut wire = UnixStream::connect(&path).await.expect("a connection");
    assert_eq!(status(&ask(&mut wire, "/health", "").await.0), "200");
}

/// As systemd hands over a socket, and asks for signs of life.
const HAND_OVER: &str = "LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";

#[tokio::test]
async fn a_socket_that_is_handed_over_is_served_and_its_owner_told_how_it_goes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let builder = ServerBuilder::stub(BINARY).through(HAND_OVER).stdin(OwnedFd::from(listener));
    let notify = builder.folder().join("notify");
    let notified = UnixDatagram::bind(&notify).expect("bound");
    let builder =
        builder.variable("NOTIFY_SOCKET", &notify.display().to_string()).variable("WATCHDOG_USEC", "200000");
    let server = builder.start().await;
    assert_eq!(server.url(), url);
    assert_eq!(server.get("/health").await.0, 200);
    server.submit(&task(&server, "t", "hi")).await;
    let complete = server.stream("t", "").await.finish().await.assert_whole();
    assert_eq!(complete["status"], json!("completed"));
    let mut told = Vec::new();
    let mut hear = async || {
        let mut message = [0; 64];
        let length = notified.recv(&mut message).await.expect("a message");
        told.push(String::from_utf8_lossy(&message[..length]).trim().to_owned());
        told.clone()
    };
    let watchdogs = |told: &[String]| told.iter().filter(|message| *message == "WATCHDOG=1").count();
    while watchdogs(&hear().await) < 3 {}
    server.terminate();
    let all = loop {
        let told = hear().await;
        if told.iter().any(|message| message == "STOPPING=1") {
            break told;
        }
    };
    let others: Vec<_> = all.iter().filter(|message| *message != "WATCHDOG=1").collect();
    assert_eq!(others, ["READY=1", "STOPPING=1"]);
    assert_eq!(server.ended().await.code, Some(0));
}

#[tokio::test]
async fn what_is_handed_over_and_cannot_be_listened_on_stops_the_start() {
    let other = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let builder = ServerBuilder::stub(BINARY).through(HAND_OVER).stdin(OwnedFd::from(other));
    let (code, stderr) = builder.refused().await;
    assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("LISTEN_FDS"), "{stderr}");
}

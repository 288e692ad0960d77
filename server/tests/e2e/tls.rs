//! TLS, and certificates that are renewed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use testing::{EventStream, Server, ServerBuilder, Signal};
use tokio::net::{TcpStream, UnixDatagram};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::command::run;
use crate::{BINARY, is_tool_use, task};

type Pair = CertifiedKey<KeyPair>;

fn make() -> Pair {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate")
}

/// Where a server finds its certificate and key.
struct Files(PathBuf);

impl Files {
    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, certificate: &Pair, key: &Pair) {
        for (name, text) in
            [("cert.pem", certificate.cert.pem()), ("key.pem", key.signing_key.serialize_pem())]
        {
            let beside = self.0.join("beside");
            std::fs::write(&beside, text).expect("written");
            std::fs::rename(beside, self.0.join(name)).expect("replaced");
        }
    }

    fn server(&self, builder: ServerBuilder) -> ServerBuilder {
        builder
            .variable("SERVER_TLS_CERT_FILE", &self.path("cert.pem"))
            .variable("SERVER_TLS_KEY_FILE", &self.path("key.pem"))
    }
}

fn with_files(pair: &Pair) -> (Files, ServerBuilder) {
    let builder = ServerBuilder::stub(BINARY);
    let files = Files(builder.folder().to_owned());
    files.write(pair, pair);
    let builder = files.server(builder);
    (files, builder)
}

/// A client that trusts this certificate only.
fn client(pair: &Pair) -> reqwest::Client {
    let root = reqwest::Certificate::from_der(pair.cert.der()).expect("a certificate");
    reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().expect("a client")
}

/// A connection that trusts this certificate only; fails as the handshake does.
async fn connect(server: &Server, root: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let address = server.url().trim_start_matches("https://");
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn told(notified: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = notified.recv(&mut message).await.expect("a message");
    String::from_utf8_lossy(&message[..length]).trim().to_owned()
}

/// Makes it read its files again, and waits until it has.
async fn reload(server: &Server, notified: &UnixDatagram) {
    server.signal(Signal::HUP);
    let begins = told(notified).await;
    assert!(begins.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{begins}");
    assert_eq!(told(notified).await, "READY=1");
}

#[tokio::test]
async fn a_new_certificate_is_taken_at_a_signal_without_dropping_a_stream_and_a_bad_one_is_not() {
    let (one, two) = (make(), make());
    let (files, builder) = with_files(&one);
    let notified = UnixDatagram::bind(Path::new(&files.path("notify"))).expect("bound");
    let server = builder.variable("NOTIFY_SOCKET", &files.path("notify")).start().await;
    assert_eq!(told(&notified).await, "READY=1");

    let post = client(&one).post(format!("{}/api/v1/tasks", server.url())).json(&task(
        &server,
        "t",
        "tool Bash; hold",
    ));
    let answer = post.send().await.expect("an answer");
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    let url = format!("{}/ws/tasks/t", server.url().replacen("http", "ws", 1));
    assert!(url.starts_with("wss://") && answer["websocket_url"] == json!(url), "{answer}");
    let wire = connect(&server, one.cert.der()).await.expect("trusted");
    let mut stream = EventStream::over(Box::new(wire), &url, &[]).await;
    stream.wait_for("the tool", is_tool_use).await;

    files.write(&two, &two);
    reload(&server, &notified).await;
    connect(&server, one.cert.der()).await.expect_err("it is replaced");
    connect(&server, two.cert.der()).await.expect("trusted");
    files.write(&one, &two);
    reload(&server, &notified).await;
    connect(&server, two.cert.der()).await.expect("trusted still");

    let interrupt = client(&two).post(format!("{}/api/v1/tasks/t/interrupt", server.url()));
    assert_eq!(interrupt.send().await.expect("an answer").status().as_u16(), 200);
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("interrupted"));
    server.terminate();
    assert_eq!(told(&notified).await, "STOPPING=1");
    let stopped = server.ended().await;
    let kept = |line: &&String| line.contains("stays as it was") && line.contains("SERVER_TLS_CERT_FILE");
    assert_eq!((stopped.code, stopped.log.iter().filter(kept).count() > 0), (Some(0), true));
}

#[tokio::test]
async fn a_new_certificate_is_noticed() {
    let (one, two) = (make(), make());
    let (files, builder) = with_files(&one);
    let server = builder.start().await;
    connect(&server, one.cert.der()).await.expect("trusted");
    files.write(&two, &two);
    while connect(&server, two.cert.der()).await.is_err() {}
    connect(&server, one.cert.der()).await.expect_err("it is replaced");
}

#[tokio::test]
async fn the_command_run_reaches_a_server_whose_certificate_the_system_trusts() {
    let (files, builder) = with_files(&make());
    let server = builder.start().await;
    let workspace = server.workspace("w").display().to_string();
    let arguments = ["run", "hi", "--server", server.url(), "--workspace", &workspace];
    let trusted = [("SSL_CERT_FILE", files.path("cert.pem"))];
    let variables: Vec<_> = trusted.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (code, stdout, stderr) = run(server.folder(), &arguments, &variables).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let (code, _, stderr) = run(server.folder(), &arguments, &[]).await;
    assert_eq!((code, stderr.is_empty()), (Some(2), false), "nobody else vouches for it");
}

#[tokio::test]
async fn a_pair_that_is_none_stops_the_start() {
    let (files, builder) = with_files(&make());
    files.write(&make(), &make());
    let (code, stderr) = builder.refused().await;
    let start = format!(
        "claude-code-server: SERVER_TLS_CERT_FILE={:?}: does not go with the key",
        files.path("cert.pem")
    );
    assert_eq!((code, stderr.lines().count(), stderr.starts_with(&start)), (Some(2), 1, true), "{stderr}");
    let (files, builder) = with_files(&make());
    std::fs::write(files.path("cert.pem"), "no certificate").expect("written");
    let (code, stderr) = builder.refused().await;
    assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("SERVER_TLS_CERT_FILE") && stderr.contains("holds no certificate"), "{stderr}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_and_plain_text_gets_nothing() {
    let (_files, builder) = with_files(&make());
    let server = builder.start().await;
    let mut silent = crate::wire::connect(server.url()).await;
    let mut plain = crate::wire::connect(server.url()).await;
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET /health HTTP/1.1\r\n\r\n").await.expect("sent");
    assert!(!crate::wire::closed(&mut plain).await.starts_with(b"HTTP/"));
    assert_eq!(crate::wire::closed(&mut silent).await, Vec::<u8>::new());
}

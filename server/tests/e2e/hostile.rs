//! Requests of somebody who means harm, by hand where a client would not send them. Each is refused with the right code, and
//! the server goes on.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use testing::{Server, ServerBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{BINARY, task};

async fn server() -> Server {
    ServerBuilder::stub(BINARY).start().await
}

/// Sends bytes as they are, and reads what comes back until the server closes or has answered once.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let address = server.url().strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    // A server that has heard enough closes before it has read all.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("closed")
}

#[tokio::test]
async fn heads_that_are_none_are_refused() {
    let server = server().await;
    let host = server.url().strip_prefix("http://").expect("an address").to_owned();
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n")
    };
    let many: String = (0..300).map(|number| format!("x-{number}: y\r\n")).collect();
    let post = |more: &str| {
        format!("POST /api/v1/tasks HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n\r\n")
    };
    let cases = [
        (get("/health", ""), &["200"][..]),
        (get("/health", &format!("x: {}\r\n", "y".repeat(200_000))), &["431", "400"]),
        (get("/health", &many), &["431", "400"]),
        (get("/health", "host: other\r\n"), &["403", "400"]),
        (get("/health", "x: a\rb\r\n"), &["400"]),
        (get("/health", "bad header: x\r\n"), &["400"]),
        (get(&format!("/{}", "x".repeat(100_000)), ""), &["414", "431", "400", "404"]),
        (get("/api/v1/tasks/..%2f..%2fetc%2fpasswd", ""), &["404"]),
        (get("/docs/..%2f..%2fetc%2fpasswd", ""), &["404"]),
        (get("/docs/../../etc/passwd", ""), &["404"]),
        (get("/api/v1/tasks/%00", ""), &["404"]),
        (get("/api/v1/tasks/%ff", ""), &["400", "404"]),
        (post("content-length: -1"), &["400"]),
        (post("content-length: 5\r\ncontent-length: 6"), &["400"]),
        (post("content-length: 5\r\ntransfer-encoding: chunked") + "0\r\n\r\n", &["400", "422"]),
        (post("transfer-encoding: chunked") + "zz\r\n", &["400"]),
        (post("content-length: 999999999999"), &["413"]),
        ("GARBAGE\r\n\r\n".to_owned(), &["400"]),
        ("\u{16}\u{3}\u{1}".to_owned(), &["400", "closed"]),
    ];
    for (request, expected) in cases {
        let answer = raw(&server, request.as_bytes()).await;
        let shown: String = request.chars().take(120).collect();
        assert!(expected.contains(&status(&answer)), "{shown:?}: {answer}");
    }
    assert_eq!(server.get("/health").await.0, 200);
}

#[tokio::test]
async fn workspaces_lead_nowhere_else() {
    let server = server().await;
    let root = server.workspace("inside").parent().expect("the root").to_owned();
    symlink("/etc", root.join("way-out")).expect("linked");
    symlink(root.join("inside"), root.join("way-in")).expect("linked");
    let ask = async |field: &str, path: String| {
        let mut body = task(&server, &format!("t{}", path.len()), "hello");
        match field {
            "workspace" => body["workspace"] = json!(path),
            _ => body["options"] = json!({field: if field == "cwd" { json!(path) } else { json!([path]) }}),
        }
        let (status, answer) = server.post("/api/v1/tasks", &body).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    let up = |path: &str| format!("{}/{path}", root.display());
    for field in ["workspace", "cwd", "add_dirs"] {
        for outside in ["/etc", "/", &up("way-out"), &up("inside/../../.."), "/proc/self/root"] {
            let refused = ask(field, outside.to_owned()).await;
            assert_eq!(refused, (400, "workspace_not_allowed".to_owned()), "{field} {outside}");
        }
        // Whether something is there outside is nobody's business.
        let nothing = ask(field, "/etc/no-such-folder".to_owned()).await;
        assert_eq!(nothing, (400, "workspace_not_allowed".to_owned()), "{field}");
    }
    assert_eq!(ask("workspace", up("nothing\u{0}here")).await.0, 400);
    assert_eq!(ask("workspace", up("way-in")).await.0, 200);
}

/// A folder that is replaced by a link after it was looked at.
#[tokio::test]
async fn a_workspace_that_becomes_a_link_is_not_worked_in() {
    let server = server().await;
    let body = task(&server, "t", "hello");
    let mut later = body.clone();
    later["delay_seconds"] = json!(1);
    server.submit(&later).await;
    let folder = server.workspace("t");
    std::fs::remove_dir(&folder).expect("removed");
    symlink("/etc", &folder).expect("linked");
    let ended = server.get("/api/v1/tasks/t/result?wait=60").await.1;
    assert_eq!(ended["status"], "failed", "{ended}");
    let reason = ended["result"]["errors"][0].as_str().expect("a reason");
    assert!(reason.contains("has been replaced by a link"), "{reason}");
}

#[tokio::test]
async fn nothing_of_an_option_becomes_something_else() {
    let server = server().await;
    let injected: [(&str, Value); 13] = [
        ("allowed_tools", json!(["Read(x),Bash(*)"])),
        ("model", json!("--dangerously-skip-permissions")),
        ("model", json!("opus\n--settings={}")),
        ("model", json!("a,b")),
        ("fallback_model", json!("-x")),
        ("allowed_tools", json!(["--permission-mode=bypassPermissions"])),
        ("allowed_tools", json!(["Read,Bash"])),
        ("allowed_tools", json!(["Bash(echo *) Write"])),
        ("disallowed_tools", json!(["Bash\u{0}"])),
        ("tools", json!(["Read\nBash"])),
        ("effort", json!("high --debug")),
        ("agents", json!({"a": {"description": "d", "prompt": "p", "hooks": {}}})),
        ("output_schema", json!("{\"type\":\"object\"}\n{}")),
    ];
    for (field, value) in injected {
        let mut body = task(&server, "t", "hello");
        body["options"] = json!({field: value});
        let (status, problem) = server.post("/api/v1/tasks", &body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_request")), "{field} {value}");
        let pointer = problem["errors"][0]["pointer"].as_str().expect("a pointer");
        assert!(pointer.starts_with(&format!("/options/{field}")), "{pointer}");
    }
    for policy in
        [json!({"permission_mode": "bypassPermissions"}), json!({"mcp_servers": {"s": {"command": "sh"}}})]
    {
        let mut body = task(&server, "t", "hello");
        body["options"] = policy;
        assert_eq!(server.post("/api/v1/tasks", &body).await.0, 403);
    }
}

#[tokio::test]
async fn a_log_has_one_entry_a_line_whatever_is_sent() {
    let server = server().await;
    let evil = "x\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n\u{1b}[31m";
    let mut body = task(&server, "t", evil);
    body["labels"] = json!({"note": "plain"});
    server.submit(&body).await;
    server.get("/api/v1/tasks/t/result?wait=60").await;
    let request = server
        .request("GET", "/api/v1/tasks/%0A%7B%22forged%22%3Atrue%7D")
        .header("user-agent", "forged\tagent");
    assert_eq!(Server::send(request).await.0, 404);
    let mut unknown = task(&server, "u", "hello");
    unknown["workspace"] = json!(evil);
    assert_eq!(server.post("/api/v1/tasks", &unknown).await.0, 400);
    server.terminate();
    let log = server.ended().await.log;
    for line in &log {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(entry["message"], "forged");
    }
    let admitted = log.iter().find(|line| line.contains("task admitted")).expect("an entry");
    let admitted: Value = serde_json::from_str(admitted).expect("JSON");
    assert_eq!(admitted["span"]["request_id"].as_str().map(str::len), Some(36), "{admitted}");
}

#[tokio::test]
async fn a_prompt_is_as_large_as_a_body_may_be_and_nesting_is_bounded() {
    let server = server().await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let (status, _) = Server::send(server.request("POST", "/api/v1/tasks").body(deep)).await;
    assert_eq!(status, 422);
    let body = format!("{{\"prompt\":\"{}\",\"workspace\":\"/\"}}", "x".repeat(11 * 1024 * 1024));
    let (status, problem) = Server::send(server.request("POST", "/api/v1/tasks").body(body)).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
    for wrong in
        ["{\"prompt\":\"\\ud800\",\"workspace\":\"/\"}", "{\"prompt\":", "\u{feff}{}", "null", "7", ""]
    {
        assert_eq!(
            Server::send(server.request("POST", "/api/v1/tasks").body(wrong)).await.0,
            422,
            "{wrong:?}"
        );
    }
    let invalid = Server::send(server.request("POST", "/api/v1/tasks").body(vec![0xff, 0xfe, 0x00])).await;
    assert_eq!(invalid.0, 422);
    assert_eq!(server.get("/health").await.0, 200);
}

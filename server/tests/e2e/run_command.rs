//! `claude-code-server run`.

use std::process::Stdio;
use std::time::Duration;

use testing::Server;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::command::outcome;
use crate::{BINARY, demo};

async fn run(server: &Server, workspace: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(BINARY)
        .arg("run")
        .args(["--server", server.url(), "--workspace"])
        .arg(server.workspace(workspace))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(90), output).await.expect("an end in time").expect("a process");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_task_from_the_command_line_shows_its_events_and_ends_with_its_exit_code() {
    let server = demo().await;
    let (code, stdout, stderr) =
        run(&server, "w", &["[[write a.txt x]] [[bash echo out; exit 1]] [[say Bye.]]"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> =
        stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let has = |start: &str| assert!(lines.iter().any(|line| line.starts_with(start)), "{start}: {stdout}");
    for start in [
        "agent Claude Code 2.1.330",
        "tool Write",
        "tool Bash",
        "refused Bash",
        "progress",
        "agent Bye.",
        "completed 3 turns",
    ] {
        has(start);
    }
    let (code, stdout, _) = run(&server, "w", &["[[error 400]]"]).await;
    assert_eq!(code, Some(1), "{stdout}");
    let (code, _, _) = run(&server, "w", &["--timeout", "4", crate::LONG_COMMAND]).await;
    assert_eq!(code, Some(124));
}

/// Runs with `-` for a prompt, and this on stdin.
async fn with_stdin(server: &Server, stdin: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(BINARY)
        .args(["run", "-", "--json", "--server", server.url(), "--workspace"])
        .arg(server.workspace("w"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a process");
    let mut pipe = child.stdin.take().expect("stdin");
    pipe.write_all(stdin).await.expect("written");
    drop(pipe);
    let output = timeout(Duration::from_secs(90), child.wait_with_output()).await.expect("an end in time");
    outcome(output.expect("an end"))
}

#[tokio::test]
async fn a_prompt_may_come_on_stdin() {
    let server = demo().await;
    let (code, events, _) = with_stdin(&server, "[[say Grüße, 世界 👍]]\n".as_bytes()).await;
    assert_eq!((code, events.contains("Grüße, 世界 👍")), (Some(0), true), "{events}");
    let (code, _, told) = with_stdin(&server, b"\xff").await;
    assert_eq!((code, told.contains("the prompt on stdin is no UTF-8 text")), (Some(2), true), "{told}");
    let (code, _, told) = with_stdin(&server, b"").await;
    assert_eq!((code, told.contains("must not be empty")), (Some(2), true), "{told}");
}

#[tokio::test]
async fn no_server_and_no_workspace_are_named() {
    let server = demo().await;
    let output = Command::new(BINARY).args(["run", "p", "--workspace", "/nowhere"]).env_clear().output();
    let output = output.await.expect("a process");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("--workspace /nowhere is not there"), "{stderr}");
    drop(server);
    let output = Command::new(BINARY)
        .args(["run", "p", "--server", "http://127.0.0.1:1", "--workspace", "/"])
        .env_clear()
        .output();
    let stderr = String::from_utf8(output.await.expect("a process").stderr).expect("text");
    assert!(stderr.contains("no server answers at http://127.0.0.1:1: start one"), "{stderr}");
}

//! The commands that are a client of a running server: `tasks`, `task`, `watch`, `interrupt`, `sessions`, `logs`, and what
//! Ctrl-C does to them.

use std::path::Path;

use serde_json::{Value, json};
use testing::{Server, Signal, pinned_cli};

use crate::command::run;
use crate::place::Place;
use crate::running::Running;
use crate::{BINARY, LONG_COMMAND, demo, task};

/// A command that runs until the workspace has a file `go`.
pub(crate) const WAIT: &str = "[[bash python3 -c 'while not __import__(\"os\").path.exists(\"go\"): __import__(\"time\").sleep(0.05)']]";

async fn ask(server: &Server, arguments: &[&str]) -> (Option<i32>, String, String) {
    run(Path::new("/"), arguments, &[("CLAUDE_SERVER_URL", server.url())]).await
}

fn numbers(lines: &[String]) -> Vec<u64> {
    let number = |line: &String| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64();
    lines.iter().map(|line| number(line).expect("a number")).collect()
}

#[tokio::test]
async fn a_task_that_is_left_to_the_server_can_be_watched_and_read_afterwards() {
    let server = demo().await;
    let workspace = server.workspace("w").display().to_string();
    let prompt = "[[write a.txt one\\ntwo]] [[say First line.\nSecond line.]]";
    let arguments = ["run", "--detach", "--task-id", "t1", "--workspace", &workspace, prompt];
    assert_eq!(ask(&server, &arguments).await, (Some(0), "t1\n".to_owned(), String::new()));
    // The same again is the same task.
    assert_eq!(ask(&server, &arguments).await, (Some(0), "t1\n".to_owned(), String::new()));

    let (code, watched, _) = ask(&server, &["watch", "t1", "--json"]).await;
    let watched: Vec<_> = watched.lines().map(str::to_owned).collect();
    let count = watched.len() as u64;
    assert_eq!((code, numbers(&watched)), (Some(0), (1..=count).collect()));
    let late = ask(&server, &["watch", "t1", "--json", "--after", &(count - 1).to_string()]).await;
    assert_eq!(late, (Some(0), format!("{}\n", watched.last().expect("an event")), String::new()));
    let nothing = ask(&server, &["watch", "t1", "--after", &count.to_string()]).await;
    assert_eq!(nothing, (Some(0), String::new(), String::new()));

    let (code, logged, _) = ask(&server, &["logs", "t1", "--json"]).await;
    assert_eq!((code, logged.lines().map(str::to_owned).collect::<Vec<_>>()), (Some(0), watched));
    let (_, logged, _) = ask(&server, &["logs", "t1", "--full"]).await;
    let margin = " ".repeat("2026-01-19T10:00:05.123Z ".len() + 13);
    assert!(logged.contains(&format!("agent  First line.\n{margin}Second line.\n")), "{logged}");
}

#[tokio::test]
async fn tasks_and_sessions_can_be_listed_and_shown() {
    let server = demo().await;
    let workspace = server.workspace("w").display().to_string();
    let prompt = "[[say First line.\nSecond line.]]";
    let (code, ..) = ask(&server, &["run", "--task-id", "t1", "--workspace", &workspace, prompt]).await;
    assert_eq!(code, Some(0));
    let (code, tasks, _) = ask(&server, &["tasks", "--status", "completed,failed"]).await;
    let rows: Vec<Vec<_>> = tasks.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((code, rows.len()), (Some(0), 2), "{tasks}");
    assert_eq!(rows[0], ["TASK", "STATUS", "CREATED", "TURNS", "TOKENS", "USD", "WORKSPACE"]);
    assert_eq!((rows[1][0], rows[1][1], rows[1][6]), ("t1", "completed", workspace.as_str()));
    assert_eq!(ask(&server, &["tasks", "--status", "running", "--json"]).await.1, "");

    let (code, shown, _) = ask(&server, &["task", "t1"]).await;
    let labels: Vec<_> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let expected = [
        "task",
        "status",
        "session",
        "workspace",
        "created",
        "started",
        "updated",
        "progress",
        "result",
        "agent",
        "Second",
    ];
    assert_eq!((code, labels), (Some(0), expected.to_vec()), "{shown}");
    let (_, shown, _) = ask(&server, &["task", "t1", "--json"]).await;
    let (_, mut answer) = server.get("/api/v1/tasks/t1").await;
    // Which of an object's fields stand first means nothing.
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown, answer.take());

    let (code, sessions, _) = ask(&server, &["sessions"]).await;
    let row: Vec<_> = sessions.lines().nth(1).expect("a session").split_whitespace().collect();
    assert_eq!((code, row[0], row[1], row[3]), (Some(0), "session-t1", "idle", "1"));
    let (_, again, _) =
        ask(&server, &["run", "--json", "--session", "session-t1", "--workspace", &workspace, "[[history]]"])
            .await;
    assert!(again.contains("First line."), "{again}");
}

#[tokio::test]
async fn watch_outlasts_the_server_and_misses_nothing() {
    let place = Place::new();
    let cli = pinned_cli();
    let server = place.server(&cli, &[]).await;
    let url = server.url().to_owned();
    let port = url.rsplit(':').next().expect("a port").to_owned();
    let workspace = place.workspace("w");
    let prompt = format!("[[write a.txt x]] {WAIT} [[say Bye.]]");
    server
        .submit(&json!({"task_id": "t1", "prompt": prompt, "workspace": workspace,
            "options": {"on_restart": "resume"}}))
        .await;
    let mut watch = Running::start(&url, &["watch", "t1", "--json"]);
    watch.until("python3 -c").await;
    server.kill().await;
    let server = place.server(&cli, &[("SERVER_PORT", &port)]).await;
    std::fs::write(workspace.join("go"), "").expect("written");
    let (code, lines, _) = watch.ended().await;
    assert_eq!((code, numbers(&lines)), (Some(0), (1..=lines.len() as u64).collect()));
    let (_, answer) = server.get("/api/v1/tasks/t1").await;
    assert_eq!((&answer["status"], &answer["attempt"]), (&json!("completed"), &json!(2)));
    let (_, logged, _) = ask(&server, &["logs", "t1", "--json"]).await;
    assert_eq!(logged.lines().collect::<Vec<_>>(), lines);
}

#[tokio::test]
async fn ctrl_c_interrupts_what_was_run_and_leaves_what_is_watched() {
    let server = demo().await;
    let workspace = server.workspace("w").display().to_string();
    let arguments = ["run", "--task-id", "t1", "--workspace", &workspace, LONG_COMMAND];
    let mut run = Running::start(server.url(), &arguments);
    run.until("python3 -c").await;
    let mut watch = Running::start(server.url(), &["watch", "t1"]);
    watch.until("python3 -c").await;
    watch.signal(Signal::INT);
    assert_eq!(watch.ended().await.0, Some(130));
    assert_eq!(server.get("/api/v1/tasks/t1").await.1["status"], "running");
    run.signal(Signal::INT);
    let (code, lines, _) = run.ended().await;
    assert_eq!(code, Some(130));
    assert!(lines.iter().any(|line| line.contains("interrupting; Ctrl-C again leaves at once")), "{lines:?}");
    assert_eq!(server.get("/api/v1/tasks/t1").await.1["status"], "interrupted");
}

#[tokio::test]
async fn a_second_ctrl_c_leaves_a_server_that_does_not_answer() {
    let server = demo().await;
    let workspace = server.workspace("w").display().to_string();
    let mut run =
        Running::start(server.url(), &["run", "--task-id", "t1", "--workspace", &workspace, LONG_COMMAND]);
    run.until("python3 -c").await;
    server.signal(Signal::STOP);
    run.signal(Signal::INT);
    run.until("interrupting").await;
    run.signal(Signal::INT);
    assert_eq!(run.ended().await.0, Some(130));
    server.signal(Signal::CONT);
}

#[tokio::test]
async fn interrupt_stops_a_task_and_says_when_there_is_nothing_to_stop() {
    let server = demo().await;
    server.submit(&task(&server, "t1", LONG_COMMAND)).await;
    let mut stream = server.stream("t1", "").await;
    stream.wait_for("the command", crate::is_tool_use).await;
    let (code, told, _) = ask(&server, &["interrupt", "t1"]).await;
    assert_eq!((code, told.trim()), (Some(0), "note  the task t1 is interrupted"));
    let (code, told, _) = ask(&server, &["interrupt", "t1"]).await;
    assert_eq!((code, told.trim()), (Some(0), "note  the task t1 had already ended"));
    let (code, told, _) = ask(&server, &["interrupt", "t1", "--json"]).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let ended = json!({"task_id": "t1", "status": "interrupted", "interrupted_at": null});
    assert_eq!((code, told), (Some(0), ended));
    assert_eq!(ask(&server, &["watch", "t1"]).await.0, Some(130));
    assert_eq!(ask(&server, &["logs", "--follow", "t1"]).await.0, Some(130));
}

#[tokio::test]
async fn an_interrupt_is_told_to_programs_as_the_server_tells_it() {
    let server = demo().await;
    server.submit(&task(&server, "t1", LONG_COMMAND)).await;
    let mut stream = server.stream("t1", "").await;
    stream.wait_for("the command", crate::is_tool_use).await;
    let (code, told, _) = ask(&server, &["interrupt", "t1", "--json"]).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((code, &told["task_id"], &told["status"]), (Some(0), &json!("t1"), &json!("interrupted")));
    assert!(told["interrupted_at"].is_string(), "{told}");
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_said_with_exit_code_2() {
    let server = testing::ServerBuilder::demo(BINARY)
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_API_KEY", "a-key-of-the-server")
        .start()
        .await;
    let refused = |(code, stdout, stderr): (Option<i32>, String, String), part: &str| {
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert!(stderr.contains(part), "{stderr}");
    };
    refused(ask(&server, &["tasks"]).await, "(401 unauthorized)");
    refused(ask(&server, &["watch", "t1"]).await, "(401 unauthorized)");
    let url = ("CLAUDE_SERVER_URL", server.url());
    let with_key = async |arguments: &[&str]| {
        run(Path::new("/"), arguments, &[url, ("CLAUDE_SERVER_API_KEY", "a-key-of-the-server")]).await
    };
    assert_eq!(with_key(&["tasks", "--json"]).await, (Some(0), String::new(), String::new()));
    for command in ["task", "interrupt", "logs", "watch"] {
        refused(with_key(&[command, "t1"]).await, "(404 task_not_found)");
    }
    refused(with_key(&["task", "../health"]).await, "an id is made of letters");
    refused(with_key(&["tasks", "--status", "done"]).await, "use pending, running, completed");
    refused(with_key(&["run", "p", "--workspace", "/"]).await, "(400 workspace_not_allowed)");
}

#[tokio::test]
async fn shells_and_man_know_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = run(folder.path(), &["completions", shell], &[]).await;
        assert_eq!(code, Some(0));
        for word in ["serve", "interrupt", "follow"] {
            assert!(script.contains(word), "{shell} knows no {word}");
        }
    }
    let (code, page, _) = run(folder.path(), &["man"], &[]).await;
    assert_eq!((code, page.contains(".TH claude-code-server 1")), (Some(0), true), "{page}");
    let (code, _, _) = run(folder.path(), &["man", "."], &[]).await;
    let watch = std::fs::read_to_string(folder.path().join("claude-code-server-watch.1")).expect("a page");
    assert_eq!((code, watch.contains("Connects again by itself")), (Some(0), true), "{watch}");
    let (code, _, stderr) = run(folder.path(), &["man", "nowhere"], &[]).await;
    assert_eq!((code, stderr.contains("cannot be written")), (Some(1), true), "{stderr}");
}

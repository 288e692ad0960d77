//! SIGTERM: nothing new, an orderly end, no process left behind.

use std::time::Duration;

use serde_json::json;
use testing::{ServerBuilder, pinned_cli, wait_until_none_mention, warden};

use crate::agent_failures::fake_cli;
use crate::place::Place;
use crate::{BINARY, LONG_COMMAND, demo, is_tool_use, task};

#[tokio::test]
async fn tasks_in_memory_end_interrupted_and_their_readers_hear_of_it() {
    let server = ServerBuilder::demo(BINARY)
        .variable("SESSION_MAX_CONCURRENT", "1")
        .variable("STORAGE_TYPE", "memory")
        .start()
        .await;
    server.submit(&task(&server, "runs", LONG_COMMAND)).await;
    let mut runs = server.stream("runs", "").await;
    runs.wait_for("the tool", is_tool_use).await;
    server.submit(&task(&server, "waits", "[[say hi]]")).await;
    let waits = server.stream("waits", "").await;
    server.terminate();
    let (runs, waits) = tokio::join!(runs.finish(), waits.finish());
    assert_eq!(runs.assert_whole()["errors"], json!(["interrupted: the server was stopped"]));
    assert_eq!(waits.assert_whole()["errors"], json!(["interrupted: the server was stopped"]));
    let stopped = server.ended().await;
    assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(0), ""));
    wait_until_none_mention(stopped.folder.path(), Duration::ZERO).await;
}

#[tokio::test]
async fn waiting_tasks_wait_for_the_next_start_and_running_ones_do_as_they_want() {
    let place = Place::new();
    let server = place.server(&pinned_cli(), &[("SESSION_MAX_CONCURRENT", "2")]).await;
    let body = |id: &str, prompt: &str, on_restart: &str| json!({"task_id": id, "prompt": prompt, "workspace": place.workspace(id), "options": {"on_restart": on_restart}});
    let goes_on = "[[bash echo once >> log]] [[sleep 3000]] [[say went on]]";
    server.submit(&body("resumes", goes_on, "resume")).await;
    server.submit(&body("ends", LONG_COMMAND, "interrupt")).await;
    let mut resumes = server.stream("resumes", "").await;
    resumes.wait_for("its tool's end", |event| event["type"] == "tool_result").await;
    let mut ends = server.stream("ends", "").await;
    ends.wait_for("the tool", is_tool_use).await;
    server.submit(&body("waits", "[[say hi]]", "interrupt")).await;
    let waits = server.stream("waits", "").await;
    server.terminate();
    assert_eq!(ends.finish().await.assert_whole()["errors"], json!(["interrupted: the server was stopped"]));
    assert_eq!(
        (waits.finish().await.close_code, resumes.finish().await.close_code),
        (Some(1012), Some(1012))
    );
    assert_eq!(server.ended().await.code, Some(0));
    wait_until_none_mention(&place.agents_folder(), Duration::ZERO).await;

    let server = place.server(&pinned_cli(), &[]).await;
    for (id, summary) in [("waits", "hi"), ("resumes", "went on")] {
        let complete = server.stream(id, "").await.finish().await.assert_whole();
        assert_eq!(
            (&complete["status"], &complete["summary"]),
            (&json!("completed"), &json!(summary)),
            "{complete}"
        );
    }
    assert_eq!(std::fs::read_to_string(place.workspace("resumes").join("log")).expect("a log"), "once\n");
}

#[tokio::test]
async fn with_a_drain_time_running_tasks_are_waited_for_and_new_ones_refused() {
    let server = ServerBuilder::demo(BINARY).variable("SERVER_DRAIN_SECONDS", "60").start().await;
    server.submit(&task(&server, "runs", "[[bash echo started]] [[sleep 8000]] [[write a.txt x]]")).await;
    let mut stream = server.stream("runs", "").await;
    stream.wait_for("the tool", is_tool_use).await;
    assert_eq!(server.get("/health").await.1["draining"], json!(false));
    server.terminate();
    let refused = async {
        loop {
            let (status, _) = server.get("/ready").await;
            if status == 503 {
                return server.post("/api/v1/tasks", &task(&server, "new", "p")).await;
            }
        }
    };
    let (status, body) = refused.await;
    assert_eq!((status, &body["code"]), (503, &json!("shutting_down")));
    let (status, health) = server.get("/health").await;
    assert_eq!((status, &health["status"], &health["draining"]), (200, &json!("healthy"), &json!(true)));
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("completed"));
    assert_eq!(server.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_second_signal_cuts_the_drain_short() {
    let server = ServerBuilder::demo(BINARY).variable("SERVER_DRAIN_SECONDS", "600").start().await;
    server.submit(&task(&server, "runs", LONG_COMMAND)).await;
    let mut stream = server.stream("runs", "").await;
    stream.wait_for("the tool", is_tool_use).await;
    server.terminate();
    while server.get("/ready").await.0 != 503 {}
    server.terminate();
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("interrupted"));
    assert_eq!(server.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_reader_that_does_not_read_does_not_hold_the_server_and_loses_nothing_until_then() {
    let builder = ServerBuilder::demo(BINARY);
    // 48 MB of events: far more than the sockets' buffers hold.
    let flood = "read -r line
        echo '{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"initialize\"}}'
        head -c 48000000 /dev/zero | tr '\\0' x | fold -w 100000
        echo
        while read -r line; do :; done";
    let cli = fake_cli(&builder, flood);
    let server = builder.variable("CLAUDE_CLI_PATH", &cli).start().await;
    let mut idle = server.stream("flood", "").await;
    server.submit(&task(&server, "flood", "p")).await;
    let mut reader = server.stream("flood", "").await;
    reader.wait_for("the last line", |event| event["seq"] == 480).await;
    let first = idle.next().await.expect("an event");
    assert_eq!(first["seq"], json!(1), "the other reader has not been read from yet");
    server.terminate();
    let stopped = server.ended().await;
    assert_eq!(stopped.code, Some(0));
    drop(idle);
}

#[tokio::test]
async fn agents_die_with_a_server_that_is_killed() {
    let server = demo().await;
    server.submit(&task(&server, "runs", LONG_COMMAND)).await;
    server.stream("runs", "").await.wait_for("the tool", is_tool_use).await;
    let agents = server.agents_folder();
    assert!(!testing::which_mention(&agents).is_empty(), "the agent runs");
    server.kill().await;
    wait_until_none_mention(&agents, Duration::from_secs(10)).await;
}

/// Says that it is deaf, and does not end before its server's warden has seen it. What it starts has a session of its own, and nothing of
/// the agent's environment.
fn deaf_cli(at_sigterm: &str) -> String {
    format!(
        r#"trap '{at_sigterm}' TERM
        env -i HIDDEN="$HOME" setsid bash -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null 2>&1 &
        echo '{{"type":"deaf"}}'
        while :; do read -r line || sleep 1; done"#
    )
}

#[tokio::test]
async fn agents_that_do_not_listen_die_with_a_server_that_is_killed() {
    for (storage, at_sigterm) in [("memory", ""), ("sqlite", ""), ("sqlite", "sleep 1; exit")] {
        let builder = ServerBuilder::demo(BINARY).variable("STORAGE_TYPE", storage);
        let cli = fake_cli(&builder, &deaf_cli(at_sigterm));
        let server = builder.variable("CLAUDE_CLI_PATH", &cli).start().await;
        assert_eq!(warden(server.pid()), None, "nothing is there to watch over");
        server.submit(&task(&server, "deaf", "p")).await;
        let mut stream = server.stream("deaf", "").await;
        stream.wait_for("its trap", |event| event["data"]["subtype"] == "deaf").await;
        let agents = server.agents_folder();
        // The process table has no event to wait for, and who is about to run another program mentions nothing.
        let watched = async {
            while warden(server.pid()).is_none() || testing::which_mention(&agents).len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), watched).await.expect("a warden, and both run");
        server.kill().await;
        wait_until_none_mention(&agents, Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn a_closed_terminal_is_an_orderly_end_too() {
    let server = demo().await;
    server.submit(&task(&server, "runs", LONG_COMMAND)).await;
    let mut stream = server.stream("runs", "").await;
    stream.wait_for("the tool", is_tool_use).await;
    server.signal(testing::Signal::HUP);
    assert_eq!(stream.finish().await.assert_whole()["status"], json!("interrupted"));
    let stopped = server.ended().await;
    assert_eq!(stopped.code, Some(0));
    wait_until_none_mention(stopped.folder.path(), Duration::ZERO).await;
}

#[tokio::test]
async fn what_hides_from_its_task_ends_with_the_server_at_the_latest() {
    let server = demo().await;
    // Not in the agent's session, without its environment, its parents gone, its streams closed; found by its name.
    let name = format!("hidden-{}", server.pid());
    let hide = format!("env -i setsid bash -c 'exec -a {name} /bin/sleep 600' >/dev/null 2>&1 &");
    server.submit(&task(&server, "hides", &format!("[[bash {hide}]] [[say hidden]]"))).await;
    assert_eq!(server.stream("hides", "").await.finish().await.assert_whole()["status"], json!("completed"));
    server.terminate();
    assert_eq!(server.ended().await.code, Some(0));
    wait_until_none_mention(std::path::Path::new(&name), Duration::ZERO).await;
}

#[tokio::test]
async fn a_server_whose_output_nobody_takes_any_more_works_on_and_stops_in_order() {
    // Who reads its output leaves after one line, as `serve 2>&1 | tee` does when tee is killed.
    let script = r#"mkfifo output; grep --max-count=1 listening <output & exec "$0" "$@" >output 2>&1"#;
    let server = ServerBuilder::stub(BINARY).through(script).start().await;
    for id in ["first", "second"] {
        server.submit(&task(&server, id, "tool Bash; say hi")).await;
        let complete = server.stream(id, "").await.finish().await.assert_whole();
        assert_eq!((&complete["status"], &complete["summary"]), (&json!("completed"), &json!("hi")));
    }
    server.submit(&task(&server, "runs", "tool Bash; hold")).await;
    server.stream("runs", "").await.wait_for("its tool", is_tool_use).await;
    server.terminate();
    let stopped = server.ended().await;
    assert_eq!((stopped.code, stopped.log), (Some(0), vec![]));
    wait_until_none_mention(stopped.folder.path(), Duration::ZERO).await;
}

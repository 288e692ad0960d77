//! One task, from the submission to the file on disk.

use std::time::Duration;

use serde_json::json;
use testing::wait_until_none_mention;

use crate::{demo, task, without_idle_agents};

#[tokio::test]
async fn a_task_writes_its_file_and_every_reader_sees_the_same_events() {
    let server = without_idle_agents().await;
    let prompt = "[[write hello.py print('hi')]] [[bash python3 hello.py]] [[say It works.]]";
    let answer = server.submit(&task(&server, "hello", prompt)).await;
    assert_eq!((&answer["task_id"], &answer["session_id"]), (&json!("hello"), &json!("session-hello")));
    let expected_url = format!("{}/ws/tasks/hello", server.url().replacen("http", "ws", 1));
    assert_eq!(answer["websocket_url"], json!(expected_url));

    let live = server.stream("hello", "").await.finish().await;
    let complete = live.assert_whole();
    assert_eq!(
        (&complete["status"], &complete["exit_code"], &complete["summary"], &complete["errors"]),
        (&json!("completed"), &json!(0), &json!("It works."), &json!([]))
    );
    assert_eq!((&complete["files_modified"], &complete["turns"]), (&json!(1), &json!(3)));
    let file = server.workspace("hello").join("hello.py");
    assert_eq!(std::fs::read_to_string(file).expect("the file"), "print('hi')");

    let late = server.stream("hello", "").await.finish().await;
    assert_eq!(late, live, "a late reader gets the very same bytes");
    let rest = server.stream("hello", "?after=4").await.finish().await;
    assert_eq!(rest.frames, live.frames[4..]);
    assert_eq!(server.stream("hello", "?after=9999").await.finish().await.frames, Vec::<String>::new());

    assert_eq!(
        server.get("/health").await.1["active_tasks"],
        json!(0),
        "the task has ended when its end is seen"
    );
    let (status, body) = server.get("/api/v1/tasks/hello").await;
    assert_eq!((status, &body["status"]), (200, &json!("completed")));
    assert_eq!(body["result"]["summary"], json!("It works."));
    assert_eq!(body["progress"]["files_modified"], json!(1));
    let count = |name: &str| body["progress"][name].as_u64().expect("a number");
    assert_eq!(count("tokens_used"), count("tokens_input") + count("tokens_output"));
    assert!(count("tokens_input") > 0 && count("tokens_output") > 0, "{body}");
    assert!(body["result"]["total_cost_usd"].as_f64().expect("a number") > 0.0);
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(10)).await;
}

#[tokio::test]
async fn in_a_git_workspace_files_count_that_commands_changed() {
    let server = demo().await;
    let workspace = server.workspace("counted");
    std::fs::write(workspace.join("old.txt"), "old").expect("written");
    std::fs::write(workspace.join(".gitignore"), "target/\n").expect("written");
    let init = std::process::Command::new("git").args(["init", "--quiet"]).current_dir(&workspace).status();
    assert!(init.expect("git").success());
    let prompt = "[[write a.txt x]] [[bash echo y > b.txt && rm old.txt && echo z >> a.txt && mkdir target && echo t > target/t]] \
                  [[bash git add --all && git -c user.name=n -c user.email=n@localhost commit --quiet -m all]]";
    server.submit(&task(&server, "counted", prompt)).await;
    let finished = server.stream("counted", "").await.finish().await;
    let complete = finished.assert_whole();
    let results = finished.events().into_iter().filter(|event| event["type"] == "tool_result");
    let failed: Vec<_> = results.filter(|event| event["data"]["is_error"] != json!(false)).collect();
    assert_eq!((&complete["files_modified"], failed), (&json!(3), vec![]), "a.txt, b.txt and old.txt");
    // What was changed before is not counted again.
    let session = json!({"reuse_existing": true, "session_id": "session-counted"});
    let prompt = "[[bash cat b.txt && echo more > target/u]]";
    let again = json!({"task_id": "again", "prompt": prompt, "workspace": workspace, "session": session});
    server.submit(&again).await;
    assert_eq!(server.stream("again", "").await.finish().await.assert_whole()["files_modified"], json!(0));
}

#[tokio::test]
async fn events_have_the_shape_of_the_contract() {
    let server = demo().await;
    let prompt = "[[think hm]] [[say First.]] [[write a.txt x]] [[bash exit 3]]";
    server.submit(&task(&server, "shape", prompt)).await;
    let finished = server.stream("shape", "").await.finish().await;
    finished.assert_whole();
    let events = finished.events();
    for event in &events {
        let mut keys: Vec<_> = event.as_object().expect("an object").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["data", "seq", "session_id", "task_id", "timestamp", "type"]);
        assert_eq!((&event["task_id"], &event["session_id"]), (&json!("shape"), &json!("session-shape")));
    }
    let label = |event: &serde_json::Value| {
        let data = &event["data"];
        match event["type"].as_str().expect("a type") {
            "message" => format!(
                "{} {}",
                data["message_type"].as_str().expect("a type"),
                data["subtype"].as_str().or(data["content"].as_str()).expect("a text")
            ),
            "tool_use" => format!("use {}", data["tool_name"].as_str().expect("a name")),
            "tool_result" => {
                format!("result {} {}", data["tool_name"].as_str().expect("a name"), data["is_error"])
            }
            other => other.to_owned(),
        }
    };
    let shown: Vec<_> = events.iter().map(label).filter(|label| label != "progress").collect();
    assert_eq!(
        shown,
        [
            "system init",
            "thinking hm",
            "assistant First.",
            "use Write",
            "result Write false",
            "use Bash",
            "result Bash true",
            "assistant All done.",
            "result success",
            "complete",
        ]
    );
}

#[tokio::test]
async fn ten_tasks_at_once_lose_and_double_nothing_and_leave_no_process() {
    let server = demo().await;
    let ids: Vec<_> = (0..10).map(|number| format!("t{number}")).collect();
    for id in &ids {
        let prompt = format!("[[write {id}.txt {id}]] [[stream 50 2]] [[bash echo {id}]]");
        server.submit(&task(&server, id, &prompt)).await;
    }
    let readers = ids.iter().map(|id| async {
        let (first, second) = tokio::join!(server.stream(id, ""), server.stream(id, ""));
        tokio::join!(first.finish(), second.finish())
    });
    for (id, (first, second)) in ids.iter().zip(futures_util::future::join_all(readers).await) {
        assert_eq!(first, second);
        let complete = first.assert_whole();
        assert_eq!(
            (&complete["status"], &complete["files_modified"]),
            (&json!("completed"), &json!(1)),
            "{id}"
        );
        let written =
            std::fs::read_to_string(server.workspace(id).join(format!("{id}.txt"))).expect("the file");
        assert_eq!(&written, id);
    }
    server.terminate();
    let stopped = server.ended().await;
    assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(0), ""));
    wait_until_none_mention(stopped.folder.path(), Duration::ZERO).await;
}

#[tokio::test]
async fn plain_language_works_in_the_demo() {
    let server = demo().await;
    let prompt = "Create a hello.py that prints \"Hello, World!\" and run it";
    server.submit(&task(&server, "plain", prompt)).await;
    let finished = server.stream("plain", "").await.finish().await;
    let complete = finished.assert_whole();
    assert_eq!((&complete["status"], &complete["files_modified"]), (&json!("completed"), &json!(1)));
    let outputs: Vec<_> = finished
        .events()
        .into_iter()
        .filter(|event| event["type"] == "tool_result" && event["data"]["tool_name"] == "Bash")
        .map(|event| event["data"]["content"].clone())
        .collect();
    assert_eq!(outputs, [json!("Hello, World!")]);
}

#[tokio::test]
async fn a_client_that_closes_its_stream_gets_its_close_answered() {
    let server = demo().await;
    server.submit(&task(&server, "runs", crate::LONG_COMMAND)).await;
    let mut stream = server.stream("runs", "").await;
    stream.wait_for("the tool", crate::is_tool_use).await;
    assert_eq!(stream.close().await, Some(1000));
}

//! `backup` while the server works, and `restore`, as the README has them.

use std::path::Path;

use serde_json::json;
use testing::pinned_cli;

use crate::command::run;
use crate::place::Place;

async fn command(arguments: &[&str]) -> (Option<i32>, String, String) {
    run(Path::new("."), arguments, &[]).await
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn a_copy_that_was_made_while_the_server_worked_serves_everything_again() {
    let place = Place::new();
    let server = place.server(&pinned_cli(), &[]).await;
    let workspace = place.workspace("w");
    let body = json!({"task_id": "one", "prompt": "[[say The word is sloe.]]", "workspace": workspace});
    server.submit(&body).await;
    let before = server.stream("one", "").await.finish().await;
    let busy = json!({"task_id": "busy", "prompt": "[[stream 3000 1]]", "workspace": workspace});
    server.submit(&busy).await;
    server.stream("busy", "").await.wait_for("its turn", |event| event["data"]["subtype"] == "init").await;

    let (data, copy) = (place.path("data"), place.path("copy"));
    let file = place.path("c.toml");
    std::fs::write(&file, format!("[storage]\ndata_dir = {:?}\n", text(&data))).expect("written");
    let (code, said, error) = command(&["backup", text(&copy), "--config", text(&file)]).await;
    assert_eq!((code, error.as_str()), (Some(0), ""), "{said}");
    assert!(said.starts_with("2 tasks and "), "{said}");
    let (code, _, error) =
        run(place.root(), &["backup", text(&copy)], &[("STORAGE_DATA_DIR", text(&data))]).await;
    assert_eq!(code, Some(1), "nothing is overwritten: {error}");
    let (code, _, error) = command(&["restore", text(&copy), "--data-dir", text(&data), "--overwrite"]).await;
    assert_eq!(code, Some(1), "not under a running server: {error}");
    server.kill().await;

    std::fs::remove_dir_all(&data).expect("lost");
    let (code, _, error) = command(&["restore", text(&copy), "--data-dir", text(&data)]).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let (code, _, error) = command(&["restore", text(&copy), "--data-dir", text(&data)]).await;
    assert_eq!(code, Some(1), "what is there stays: {error}");

    let server = place.server(&pinned_cli(), &[]).await;
    assert_eq!(server.stream("one", "").await.finish().await, before);
    assert_eq!(server.get("/api/v1/tasks/busy").await.1["status"], json!("interrupted"));
    let session = json!({"reuse_existing": true, "session_id": "session-one"});
    let body = json!({"task_id": "two", "prompt": "[[history]]", "workspace": workspace, "session": session});
    server.submit(&body).await;
    let complete = server.stream("two", "").await.finish().await.assert_whole();
    assert!(complete["summary"].as_str().expect("text").contains("sloe"), "{complete}");
}

#[tokio::test]
async fn with_redis_it_is_said_what_to_back_up_instead() {
    let place = Place::new();
    let (data, copy) = (place.path("data"), place.path("copy"));
    let redis = [("STORAGE_TYPE", "redis"), ("STORAGE_DATA_DIR", text(&data))];
    for command in ["backup", "restore"] {
        let (code, said, error) = run(place.root(), &[command, text(&copy)], &redis).await;
        assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
        assert!(
            error.contains("keeps its tasks in Redis") && error.contains("docs/runbooks/restore.md"),
            "{error}"
        );
        assert!(!data.exists() && !copy.exists(), "{command}");
    }
}

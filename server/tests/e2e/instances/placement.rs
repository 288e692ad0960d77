//! Which server a task runs on.

use std::path::Path;

use serde_json::json;
use testing::{Server, ServerBuilder};

use super::Cluster;
use crate::{BINARY, is_tool_use};

impl Cluster {
    /// A server that permits another folder than the others.
    async fn server_for(&self, roots: &Path, labels: &str) -> Server {
        self.on(ServerBuilder::stub(BINARY), 1)
            .variable("WORKSPACE_ROOTS", &roots.display().to_string())
            .variable("STORAGE_INSTANCE_LABELS", labels)
            .start()
            .await
    }
}

#[tokio::test]
async fn a_task_waits_for_a_server_that_has_its_workspace() {
    let cluster = Cluster::start().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let first = cluster.server(1).await;
    first.submit(&cluster.task("holds", "tool Bash; hold")).await;
    first.stream("holds", "").await.wait_for("its tool", is_tool_use).await;
    first.submit(&cluster.task("waits", "say bye")).await;
    // It has a free place, and not the workspace.
    let second = cluster.server_for(elsewhere.path(), "").await;
    let place = elsewhere.path().canonicalize().expect("there");
    second.submit(&json!({"task_id": "own", "prompt": "say bye", "workspace": place})).await;
    let complete = first.stream("own", "").await.finish().await.assert_whole();
    assert_eq!(complete["summary"], json!("bye"), "{complete}");
    assert_eq!(second.get("/api/v1/tasks/waits").await.1["status"], json!("pending"));
    assert_eq!(second.post("/api/v1/tasks/holds/interrupt", &json!({})).await.0, 200);
    let complete = second.stream("waits", "").await.finish().await.assert_whole();
    assert_eq!(complete["summary"], json!("bye"), "{complete}");
}

#[tokio::test]
async fn a_task_for_a_folder_that_another_server_has_can_be_submitted_anywhere() {
    let cluster = Cluster::start().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let place = elsewhere.path().canonicalize().expect("there");
    let first = cluster.server(1).await;
    let body =
        |id: &str, workspace: &Path| json!({"task_id": id, "prompt": "say bye", "workspace": workspace});
    let (status, refused) = first.post("/api/v1/tasks", &body("t", &place)).await;
    assert_eq!(
        (status, &refused["code"]),
        (400, &json!("workspace_not_allowed")),
        "nobody has it: {refused}"
    );
    let second = cluster.server_for(&place, "").await;
    first.submit(&body("t", &place)).await;
    let complete = first.stream("t", "").await.finish().await.assert_whole();
    assert_eq!(complete["summary"], json!("bye"), "{complete}");

    // What cannot be seen from here is looked at there: neither links nor the server's own folders are worked in.
    let (link, private) = (place.join("link"), second.folder().join("data"));
    std::os::unix::fs::symlink("/etc", &link).expect("made");
    for (id, folder) in [("link", &link), ("missing", &place.join("missing"))] {
        first.submit(&body(id, folder)).await;
        let complete = first.stream(id, "").await.finish().await.assert_whole();
        let told = (&complete["status"], complete["errors"][0].as_str().expect("a reason"));
        assert!(told.0 == "failed" && told.1.contains(&folder.display().to_string()), "{complete}");
    }
    for odd in [place.join("../x"), private, place.join("link/../..")] {
        let (status, refused) = first.post("/api/v1/tasks", &body("odd", &odd)).await;
        assert_eq!(status, 400, "{}: {refused}", odd.display());
    }
}

#[tokio::test]
async fn a_task_runs_where_all_of_its_labels_are() {
    let cluster = Cluster::start().await;
    let roots = cluster.workspaces.path();
    let first = cluster.server_for(roots, "zone=a").await;
    let mut body = cluster.task("t", "say bye");
    body["runs_on"] = json!(["zone=a", "gpu"]);
    first.submit(&body).await;
    first.submit(&cluster.task("other", "say bye")).await;
    first.stream("other", "").await.finish().await.assert_whole();
    assert_eq!(first.get("/api/v1/tasks/t").await.1["status"], json!("pending"));
    let second = cluster.server_for(roots, "gpu, zone=a").await;
    let complete = first.stream("t", "").await.finish().await.assert_whole();
    assert_eq!(complete["summary"], json!("bye"), "{complete}");
    let (_, listed) = second.get("/api/v1/instances").await;
    let labels: Vec<_> =
        listed["instances"].as_array().expect("a list").iter().map(|one| &one["labels"]).collect();
    assert!(labels.contains(&&json!(["gpu", "zone=a"])) && labels.contains(&&json!(["zone=a"])), "{listed}");

    // A server on its own cannot wait for another.
    let alone = ServerBuilder::stub(BINARY).start().await;
    let workspace = alone.workspace("w");
    let body = json!({"prompt": "say bye", "workspace": workspace, "runs_on": ["gpu"]});
    let (status, refused) = alone.post("/api/v1/tasks", &body).await;
    assert_eq!((status, &refused["errors"][0]["pointer"]), (422, &json!("/runs_on")), "{refused}");
}

//! Which server is handed a task: one that has its workspace and its labels.

use domain::{Schedule, TaskSpec};
use store::conformance::{NOW, claim, finish, id, spec, submit, ticket};
use store::{Claim, Store};

use super::server::Server;
use super::{changes, labels, settings};
use crate::{InstanceSettings, RedisSettings, RedisStore};

const PREFIX: &str = "{ccs}:";

async fn open(server: &Server, name: &str, root: &str, texts: &[&str]) -> RedisStore {
    let instance = InstanceSettings {
        name: Some(name.into()),
        labels: labels(texts).into_iter().collect(),
        workspace_roots: vec![root.into()],
    };
    RedisStore::open(RedisSettings { instance, ..settings(server, PREFIX, name) }).await.expect("opens")
}

fn task(name: &str, workspace: &str, runs_on: &[&str]) -> TaskSpec {
    let schedule = Schedule { runs_on: labels(runs_on), ..Schedule::default() };
    TaskSpec { schedule, workspace: workspace.into(), ..spec(name) }
}

async fn has_nothing(store: &RedisStore) -> bool {
    store.claim(ticket(), NOW).await.expect("available") == Claim::Nothing { until: None }
}

#[tokio::test]
async fn a_task_waits_for_a_server_that_has_its_workspace_and_all_of_its_labels() {
    let server = Server::start("no");
    let one = open(&server, "one", "/a", &["gpu"]).await;
    for spec in [
        task("both", "/a/x", &["zone=b", "gpu"]),
        task("other-root", "/b", &[]),
        task("almost", "/ab", &[]),
        task("gpu", "/a/x", &["gpu"]),
        task("any", "/a", &[]),
    ] {
        one.submit(submit(spec)).await.expect("admitted");
    }
    let names = async |store: &RedisStore, number: usize| {
        let mut names = Vec::new();
        for _ in 0..number {
            let claimed = claim(store, NOW).await;
            finish(store, &claimed, 1).await;
            names.push(claimed.task.spec.task_id.clone());
        }
        names
    };
    assert_eq!(names(&one, 2).await, [id("any"), id("gpu")]);
    assert!(has_nothing(&one).await, "the others wait");
    let mut queue = one.watch_queue();
    let two = open(&server, "two", "/", &["gpu", "zone=b"]).await;
    assert_eq!(names(&two, 3).await, [id("almost"), id("other-root"), id("both")]);
    assert!(has_nothing(&two).await);
    changes(&mut queue).await;
}

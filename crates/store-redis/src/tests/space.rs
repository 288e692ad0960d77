//! What is dropped leaves nothing behind.

use std::collections::BTreeSet;

use domain::{Labels, Schedule, TaskSpec};
use store::conformance::{NOW, append, claim, finish, id, spec, submit, submit_and_claim};
use store::{CommitError, CoreSettings, Dropped, Retention, Store};
use tokio::time::timeout;

use super::server::Server;
use super::{PATIENCE, open_as, settings};
use crate::{RedisSettings, RedisStore};

/// The names of all keys.
fn keys(server: &Server) -> BTreeSet<String> {
    let found = redis::from_redis_value::<Vec<String>>(server.run(&["KEYS", "*"]));
    found.expect("names").into_iter().collect()
}

#[tokio::test]
async fn what_is_dropped_leaves_nothing() {
    let server = Server::start("no");
    let store = open_as(&server, "{ccs}:", "one").await;
    let empty = keys(&server);
    let mut labels = Labels::default();
    labels.set("team", "a").expect("fits");
    for number in 0..20 {
        let depends_on = if number == 0 { vec![] } else { vec![id(&format!("t{}", number - 1))] };
        let schedule = Schedule { depends_on, ..Schedule::default() };
        let spec = TaskSpec { schedule, labels: labels.clone(), ..spec(&format!("t{number}")) };
        store.submit(submit(spec)).await.expect("admitted");
    }
    for _ in 0..20 {
        let claimed = claim(&store, NOW).await;
        // More than one sweep removes.
        for seq in 1..=40 {
            store.append(append(&claimed, seq..=seq)).await.expect("written");
        }
        finish(&store, &claimed, 41).await;
    }
    store.delete_task(&id("t0")).await.expect("it has ended");
    let nothing = Retention { max_tasks: 0, ..Retention::ALL };
    let dropped = store.drop_beyond(&nothing, NOW, None, 100).await.expect("available");
    assert_eq!((dropped.tasks, dropped.sessions.len()), (19, 19));
    let old = Retention { max_age: Some(std::time::Duration::ZERO), ..Retention::ALL };
    let later = NOW.after(std::time::Duration::from_millis(1));
    let Dropped { sessions, .. } = store.drop_beyond(&old, later, None, 100).await.expect("available");
    assert_eq!(sessions.len(), 1, "the session of the task that was deleted");
    let swept = async {
        while server.run(&["EXISTS", "{ccs}:garbage"]) == redis::Value::Int(1) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, swept).await.expect("in time");
    // Streams stay, without entries: their last place must not be given out again.
    assert_eq!(server.run(&["XLEN", "{ccs}:feed"]), redis::Value::Int(0));
    let left: BTreeSet<_> = keys(&server).difference(&empty).cloned().collect();
    assert_eq!(left, BTreeSet::from(["{ccs}:feed".to_owned(), "{ccs}:served".to_owned()]));
}

#[tokio::test]
async fn a_task_whose_log_is_full_can_still_be_ended() {
    let server = Server::start("no");
    // The prompt counts too.
    let core = CoreSettings { max_task_bytes: "do it".len() as u64 + 20, ..CoreSettings::default() };
    let store = RedisStore::open(RedisSettings { core, ..settings(&server, "{ccs}:", "one") }).await;
    let store = store.expect("opens");
    let claimed = submit_and_claim(&store, "t").await;
    store.append(append(&claimed, 1..=2)).await.expect("fits");
    let full = store.append(append(&claimed, 3..=3)).await;
    assert_eq!(full, Err(CommitError::LogFull { limit: 25 }));
    finish(&store, &claimed, 3).await;
    assert_eq!(super::read_all(&store, "t").await, super::encoded(1..=3));
}

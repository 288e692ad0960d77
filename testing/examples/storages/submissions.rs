//! How fast tasks are admitted: by storage, by number of servers, and the longer a session's queue gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use testing::{RedisServer, Server};
use tokio::task::JoinSet;

use super::{Place, Storage, median, stop};

const CALLERS: usize = 32;
const SUBMISSIONS: usize = 3_000;
/// Tasks of one session.
const GROUP: usize = 10_000;
const STEP: usize = 2_000;

/// Submits from many connections at once to all servers in turn; gives submissions a second.
async fn submit(
    servers: &Arc<Vec<Server>>,
    count: usize,
    body: impl Fn(usize) -> Value + Send + Sync + 'static,
) -> f64 {
    let (next, body) = (Arc::new(AtomicUsize::new(0)), Arc::new(body));
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (servers, next, body) = (Arc::clone(servers), Arc::clone(&next), Arc::clone(&body));
        callers.spawn(async move {
            let server = &servers[caller % servers.len()];
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                server.submit(&body(number)).await;
            }
        });
    }
    callers.join_all().await;
    count as f64 / started.elapsed().as_secs_f64()
}

/// A task that waits for longer than the measurement lasts.
fn waiting(place: &Place, round: usize) -> impl Fn(usize) -> Value + Send + Sync + 'static {
    let workspace = place.workspace("queue");
    move |number| json!({"task_id": format!("s-{round}-{number}"), "prompt": "say hello", "workspace": workspace, "delay_seconds": 86_400})
}

fn into_list(servers: Arc<Vec<Server>>) -> Vec<Server> {
    Arc::into_inner(servers).expect("no caller is left")
}

pub(super) async fn measure(place: &Place, rounds: usize) {
    println!("\nsubmissions of {CALLERS} connections, medians of {rounds} rounds");
    let (mut alone, mut shared) = (Vec::new(), [const { Vec::new() }; 3]);
    for round in 0..rounds {
        let (server, _) = place.server(Storage::Sqlite, 1).await;
        let servers = Arc::new(vec![server]);
        alone.push(submit(&servers, SUBMISSIONS, waiting(place, round)).await);
        stop(into_list(servers)).await;
        for (rates, count) in shared.iter_mut().zip(1..) {
            let redis = RedisServer::start_synced("everysec").await;
            let servers = Arc::new(place.servers(Some(&redis), count, 1).await);
            rates.push(submit(&servers, SUBMISSIONS, waiting(place, round)).await);
            stop(into_list(servers)).await;
        }
    }
    let (sqlite, [one, two, three]) = (median(alone), shared.map(median));
    println!(
        "SQLite {sqlite:.0}/s   Redis with 1 server {one:.0}/s, 2 servers {two:.0}/s, 3 servers {three:.0}/s   ratios to SQLite: {:.2}, \
         {:.2}, {:.2}",
        one / sqlite,
        two / sqlite,
        three / sqlite
    );
}

/// Fills one session's queue.
pub(super) async fn group(place: &Place) {
    println!("\nsubmissions into one session whose queue grows to {GROUP} tasks, of {CALLERS} connections");
    for storage in Storage::ALL {
        let (server, redis) = place.server(storage, 1).await;
        let workspace = place.workspace("group");
        let first =
            server.submit(&json!({"task_id": "first", "prompt": "hold", "workspace": workspace})).await;
        let session = first["session_id"].as_str().expect("an id").to_owned();
        let servers = Arc::new(vec![server]);
        let mut told = Vec::new();
        for begin in (0..GROUP).step_by(STEP) {
            let (workspace, session) = (workspace.clone(), session.clone());
            let body = move |number| {
                json!({"task_id": format!("g-{}", begin + number), "prompt": "say hello", "workspace": workspace,
                       "session": {"reuse_existing": true, "session_id": session}})
            };
            told.push(format!("{:.0}", submit(&servers, STEP, body).await));
        }
        let server = into_list(servers).pop().expect("one");
        let (page, looked) = (format!("/api/v1/tasks?session_id={session}&limit=100"), Instant::now());
        assert_eq!(server.get(&page).await.0, 200);
        let looked = looked.elapsed();
        let turned = Instant::now();
        server.post("/api/v1/tasks/first/interrupt", &json!({})).await;
        server.stream("g-0", "").await.finish().await.assert_whole();
        println!(
            "{:<7} each {STEP} more: {} /s   a page of 100: {:.1} ms   the next one's whole turn: {:.1} ms",
            storage.name(),
            told.join(", "),
            looked.as_secs_f64() * 1e3,
            turned.elapsed().as_secs_f64() * 1e3
        );
        server.kill().await;
        drop(redis);
    }
}

//! How long it takes to reach the server that runs a task, through another one.

use std::time::Instant;

use serde_json::json;
use testing::RedisServer;

use super::{Place, percentile, stop};

const TIMES: usize = 40;

fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

pub(super) async fn measure(place: &Place) {
    println!(
        "\nfrom the request to its answer, {TIMES} times each, at the server that runs the task and at another one"
    );
    let redis = RedisServer::start_synced("everysec").await;
    // The second one claims nothing: its only place is taken.
    let servers = place.servers(Some(&redis), 2, 1).await;
    let own = |number: usize| number.to_string();
    servers[1]
        .submit(
            &json!({"task_id": "occupies", "prompt": "tool Bash; hold", "workspace": place.workspace("o")}),
        )
        .await;
    let mut times: [[Vec<f64>; 3]; 2] = Default::default();
    let owner = running_at(&servers, "occupies").await;
    let (worker, other) = (&servers[1 - owner], &servers[owner]);
    for number in 0..TIMES {
        for (place_of, through) in [worker, other].into_iter().enumerate() {
            let id = format!("t-{place_of}-{}", own(number));
            worker
                .submit(
                    &json!({"task_id": id, "prompt": "tool Bash; hold", "workspace": place.workspace(&id)}),
                )
                .await;
            worker.stream(&id, "").await.wait_for("its tool", |event| event["type"] == "tool_use").await;
            let path = format!("/api/v1/tasks/{id}");
            let started = Instant::now();
            let (status, answer) = through.post(&format!("{path}/messages"), &json!({"text": "hurry"})).await;
            assert_eq!(status, 200, "{answer}");
            times[place_of][0].push(since(started));
            let started = Instant::now();
            let (status, answer) = through.post(&format!("{path}/interrupt"), &json!({})).await;
            assert_eq!((status, &answer["status"]), (200, &json!("interrupted")), "{answer}");
            times[place_of][1].push(since(started));
            let started = Instant::now();
            let (status, answer) = testing::Server::send(through.request("DELETE", &path)).await;
            assert_eq!(status, 200, "{answer}");
            times[place_of][2].push(since(started));
        }
    }
    for (place_of, name) in ["the same", "another"].into_iter().enumerate() {
        let [message, interrupt, delete] = times[place_of].each_mut().map(|times| {
            format!("p50 {:.1} ms, most {:.1} ms", percentile(times, 50), percentile(times, 100))
        });
        println!("{name:<9} message {message}   interrupt {interrupt}   delete {delete}");
    }
    stop(servers).await;
}

/// Which of the servers runs a task.
async fn running_at(servers: &[testing::Server], task: &str) -> usize {
    servers[0].stream(task, "").await.wait_for("its tool", |event| event["type"] == "tool_use").await;
    let (_, listed) = servers[0].get("/api/v1/instances").await;
    let all = listed["instances"].as_array().expect("a list");
    let runs = all.iter().find(|one| one["active_tasks"] == 1).expect("one runs it");
    usize::from(runs["is_this"] == json!(false))
}

//! Many subscribers of one task: those that do not read hold nobody up, and miss nothing.

use futures_util::future::join_all;
use serde_json::json;
use testing::{FastStream, Server, ServerBuilder};

use crate::{BINARY, task};

const SUBSCRIBERS: usize = 60;
const ASLEEP: usize = 10;
/// More than the kernel keeps for a connection that nobody reads from: 10 MB.
const PROMPT: &str = "emit 5000 2000";

async fn subscribe(server: &Server, subscribers: usize) -> Vec<FastStream> {
    join_all((0..subscribers).map(|_| FastStream::open(server, "watched", ""))).await
}

async fn finish(subscribers: Vec<FastStream>) -> Vec<u64> {
    join_all(subscribers.into_iter().map(FastStream::finish)).await
}

#[tokio::test]
async fn sleeping_subscribers_hold_nobody_up_and_get_everything_when_they_wake() {
    let server = ServerBuilder::stub(BINARY).variable("SESSION_MAX_CONCURRENT", "1").start().await;
    // The task waits behind this one until all have come.
    server.submit(&task(&server, "before", "hold")).await;
    server.submit(&task(&server, "watched", PROMPT)).await;
    let awake = subscribe(&server, SUBSCRIBERS - ASLEEP).await;
    let asleep = subscribe(&server, ASLEEP).await;
    assert_eq!(server.post("/api/v1/tasks/before/interrupt", &json!({})).await.0, 200);

    let seen = finish(awake).await;
    let events = server.stream("watched", "").await.finish().await;
    events.assert_whole();
    let all = events.frames.len() as u64;
    assert!(all > 5_000, "{all} events");
    assert_eq!(seen, vec![all; SUBSCRIBERS - ASLEEP]);
    assert_eq!(asleep.iter().map(FastStream::last).collect::<Vec<_>>(), vec![0; ASLEEP]);
    assert_eq!(finish(asleep).await, vec![all; ASLEEP]);
}

//! What servers that share a storage know together of their callers.

use std::time::Duration;

use testing::{Server, ServerBuilder};
use tokio::time::sleep;

use super::Cluster;
use crate::BINARY;
use crate::keys::{keys, made};

impl Cluster {
    fn guarded(&self) -> ServerBuilder {
        self.on(ServerBuilder::stub(BINARY), 1).variable("API_AUTH_ENABLED", "true")
    }
}

async fn answer(server: &Server, key: &str) -> reqwest::Response {
    server.request("GET", "/api/v1/sessions").bearer_auth(key).send().await.expect("an answer")
}

#[tokio::test]
async fn a_callers_requests_are_counted_by_all_servers_together() {
    let cluster = Cluster::start().await;
    let builders = [cluster.guarded(), cluster.guarded()];
    // The same key at both: one limit for the two.
    let key = made(builders[0].folder(), &["ci", "--requests-per-minute", "6"]).await;
    let [source, copy] = [&builders[0], &builders[1]].map(|one| one.folder().join("data/keys.json"));
    std::fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
    std::fs::copy(source, copy).expect("copied");
    let [one, two] = builders;
    let servers = [one.start().await, two.start().await];
    let mut told = Vec::new();
    for number in 0..7 {
        let answer = answer(&servers[number % 2], &key).await;
        let left = answer.headers()["ratelimit-remaining"].to_str().expect("a text").to_owned();
        told.push((answer.status().as_u16(), left));
    }
    let expected = ["5", "4", "3", "2", "1", "0"].map(|left| (200, left.to_owned()));
    assert_eq!((&told[..6], &told[6]), (&expected[..], &(429, "0".to_owned())));
    let refused = answer(&servers[0], &key).await;
    let wait: u64 = refused.headers()["retry-after"].to_str().expect("a text").parse().expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}: one of six in a minute");

    // Without the storage, each server counts for itself: the second one has let three in.
    cluster.redis.signal(testing::Signal::STOP);
    let mut alone = Vec::new();
    for _ in 0..4 {
        alone.push(
            servers[1]
                .request("GET", "/api/v1/capabilities")
                .bearer_auth(&key)
                .send()
                .await
                .expect("an answer")
                .status()
                .as_u16(),
        );
    }
    cluster.redis.signal(testing::Signal::CONT);
    assert_eq!(alone, [200, 200, 200, 429]);
}

#[tokio::test]
async fn a_key_that_is_revoked_at_one_server_counts_at_none() {
    let cluster = Cluster::start().await;
    let builders = [cluster.guarded(), cluster.guarded()];
    let key = made(builders[0].folder(), &["ci"]).await;
    let [source, copy] = [&builders[0], &builders[1]].map(|one| one.folder().join("data/keys.json"));
    std::fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
    std::fs::copy(source, copy).expect("copied");
    let [one, two] = builders;
    let (first, second) = (one.start().await, two.start().await);
    assert_eq!(answer(&second, &key).await.status().as_u16(), 200);
    assert_eq!(keys(first.folder(), &["revoke", "ci"]).await.0, Some(0));
    assert_eq!(answer(&first, &key).await.status().as_u16(), 403, "at once, where it was revoked");
    let told = async {
        while answer(&second, &key).await.status().as_u16() != 403 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("within seconds at the other one");
}

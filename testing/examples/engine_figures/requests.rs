//! Requests: how long callers wait.

use std::time::Instant;

use serde_json::{Value, json};
use testing::{FastStream, Server};

use crate::{Figures, Subject, quantile};

const TINY: &str = "say hi";
const ONE_BY_ONE: usize = 60;
const CONNECTIONS: usize = 32;
const EACH: usize = 12;
const FLOOD: &str = "emit 100000000 400";
/// An agent that has written so much is in full flow.
const FLOWING: u64 = 20_000;
const INTERRUPTS: usize = 5;

pub(crate) async fn measure(subject: &Subject, figures: &mut Figures) {
    one_by_one(subject, figures).await;
    all_at_once(subject, figures).await;
    interrupts(subject, figures).await;
}

/// Milliseconds until a submission is answered.
async fn submit(server: &Server, body: &Value) -> f64 {
    let start = Instant::now();
    server.submit(body).await;
    start.elapsed().as_secs_f64() * 1e3
}

async fn ended(subject: &Subject, ids: &[String]) {
    for id in ids {
        FastStream::open(&subject.server, id, "").await.finish().await;
    }
}

async fn one_by_one(subject: &Subject, figures: &mut Figures) {
    for _ in 0..ONE_BY_ONE {
        let (id, body) = subject.task(TINY);
        figures.add(
            "POST of a new session, idle, p50, ms",
            subject.storage,
            submit(&subject.server, &body).await,
        );
        ended(subject, &[id]).await;
    }
}

async fn all_at_once(subject: &Subject, figures: &mut Figures) {
    let connections = (0..CONNECTIONS).map(|_| async {
        let (mut times, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..EACH {
            let (id, body) = subject.task(TINY);
            times.push(submit(&subject.server, &body).await);
            ids.push(id);
        }
        (times, ids)
    });
    let all = futures_util::future::join_all(connections).await;
    let (times, ids): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let times = times.concat();
    figures.add("POST at 32 connections, p50, ms", subject.storage, quantile(&times, 0.5));
    figures.add("POST at 32 connections, p99, ms", subject.storage, quantile(&times, 0.99));
    ended(subject, &ids.concat()).await;
}

async fn interrupts(subject: &Subject, figures: &mut Figures) {
    for _ in 0..INTERRUPTS {
        let id = subject.submit(FLOOD).await;
        let mut stream = FastStream::open(&subject.server, &id, "").await;
        while stream.last() < FLOWING {
            assert!(stream.take(|_| {}).await, "it does not end by itself");
        }
        let interrupt = async {
            let start = Instant::now();
            let answer = subject.server.post(&format!("/api/v1/tasks/{id}/interrupt"), &json!({})).await;
            assert_eq!((answer.0, &answer.1["status"]), (200, &json!("interrupted")));
            start.elapsed().as_secs_f64() * 1e3
        };
        let (took, _) = tokio::join!(interrupt, stream.finish());
        figures.add("interrupt of a flooding agent, POST to answer, ms", subject.storage, took);
    }
}

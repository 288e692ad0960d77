mod conformance;
mod instances;
mod model;
mod outages;
mod places;
mod returning;
mod scripts;
mod server;
mod space;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::BufMut;
use domain::{
    Ending, InputDigest, InstanceLabel, LeaseToken, Outcome, Progress, Question, QuestionId, TaskId,
};
use store::conformance::NOW;
use store::{BatchBuilder, EncodedEvent, EventBatch, Finish, Store};
use tokio::sync::watch;
use tokio::time::timeout;

use self::server::Server;
use crate::{InstanceSettings, RedisSettings, RedisStore};

/// Long enough for anything that is going to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until what is watched is as wanted.
async fn becomes<T: Send + Sync>(watched: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) {
    let found = timeout(PATIENCE, watched.wait_for(wanted)).await.expect("in time");
    drop(found.expect("open"));
}

async fn changes<T>(watched: &mut watch::Receiver<T>) {
    timeout(PATIENCE, watched.changed()).await.expect("in time").expect("open");
}

/// How a server of that name uses a Redis.
fn settings(server: &Server, prefix: &str, name: &str) -> RedisSettings {
    RedisSettings {
        url: Some(server.url().into()),
        prefix: prefix.into(),
        instance: InstanceSettings { name: Some(name.into()), ..InstanceSettings::default() },
        ..RedisSettings::default()
    }
}

fn labels(texts: &[&str]) -> BTreeSet<InstanceLabel> {
    texts.iter().map(|text| InstanceLabel::parse(text).expect("fits")).collect()
}

async fn open_as(server: &Server, prefix: &str, name: &str) -> RedisStore {
    RedisStore::open(settings(server, prefix, name)).await.expect("opens")
}

fn text(seq: u64) -> String {
    format!("{{\"seq\":{seq}}}")
}

fn event(seq: u64) -> EventBatch {
    let mut builder = BatchBuilder::new(seq);
    builder.push(|bytes| bytes.put_slice(text(seq).as_bytes()));
    builder.take()
}

fn encoded(seqs: std::ops::RangeInclusive<u64>) -> Vec<EncodedEvent> {
    seqs.map(|seq| EncodedEvent { seq, json: text(seq).into() }).collect()
}

/// A task's whole log.
async fn read_all(store: &RedisStore, task: &str) -> Vec<EncodedEvent> {
    let task = TaskId::parse(task).expect("valid");
    let mut read: Vec<EncodedEvent> = Vec::new();
    loop {
        let after = read.last().map_or(0, |event| event.seq);
        let page = store.read(&task, after).await.expect("available").expect("there");
        if page.events.is_empty() {
            return read;
        }
        read.extend(page.events);
    }
}

/// The command that ends a task with the event `seq`.
fn finish_of(task: &TaskId, token: Option<LeaseToken>, seq: u64, failed: bool) -> Finish {
    let ending = if failed { Ending::Failed } else { Ending::Completed };
    let outcome = Outcome { ending, summary: "done".into(), errors: vec![], total_cost_usd: 0.1 };
    let progress = Progress { turns: 1, ..Progress::default() };
    Finish { task_id: task.clone(), token, events: event(seq), progress, outcome, now: NOW }
}

fn question() -> Question {
    Question {
        id: QuestionId::generate(),
        tool_use_id: "call".into(),
        tool: "Bash".into(),
        digest: InputDigest([7; 32]),
        input: Some("{}".into()),
        description: None,
        reason: None,
        asked_at: NOW,
        turns: 1,
        background: 0,
    }
}

mod conformance;
mod model;
mod scripts;
mod server;

use bytes::BufMut;
use domain::{Ending, LeaseToken, Outcome, Progress, TaskId};
use store::conformance::NOW;
use store::{BatchBuilder, EventBatch, Finish};

use self::server::Server;
use crate::{InstanceSettings, RedisSettings, RedisStore};

/// How a server of that name uses a Redis.
fn settings(server: &Server, prefix: &str, name: &str) -> RedisSettings {
    RedisSettings {
        url: Some(server.url().into()),
        prefix: prefix.into(),
        instance: InstanceSettings { name: Some(name.into()), ..InstanceSettings::default() },
        ..RedisSettings::default()
    }
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

/// The command that ends a task with the event `seq`.
fn finish_of(task: &TaskId, token: Option<LeaseToken>, seq: u64, failed: bool) -> Finish {
    let ending = if failed { Ending::Failed } else { Ending::Completed };
    let outcome = Outcome { ending, summary: "done".into(), errors: vec![], total_cost_usd: 0.1 };
    let progress = Progress { turns: 1, ..Progress::default() };
    Finish { task_id: task.clone(), token, events: event(seq), progress, outcome, now: NOW }
}

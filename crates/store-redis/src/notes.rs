//! Short-lived notes that all servers can read, and one can take.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;
use store::StoreError;

use crate::reply::Items;
use crate::store::Shared;

fn key(shared: &Shared, name: &str) -> String {
    format!("{}note:{name}", shared.link.prefix)
}

pub(crate) async fn keep(
    shared: &Shared,
    name: &str,
    note: &[u8],
    lifetime: Duration,
) -> Result<(), StoreError> {
    let mut command = redis::cmd("SET");
    command.arg(key(shared, name)).arg(note).arg("PX").arg(lifetime.as_millis().max(1).to_string());
    shared.link.send(&command).await.map(drop)
}

pub(crate) async fn read(shared: &Shared, name: &str) -> Result<Option<Bytes>, StoreError> {
    ask(shared, "GET", name).await
}

pub(crate) async fn take(shared: &Shared, name: &str) -> Result<Option<Bytes>, StoreError> {
    ask(shared, "GETDEL", name).await
}

async fn ask(shared: &Shared, command: &str, name: &str) -> Result<Option<Bytes>, StoreError> {
    match shared.link.send(redis::cmd(command).arg(key(shared, name))).await? {
        Value::Nil => Ok(None),
        found => Items::of(Value::Array(vec![found]))?.bytes().map(Some),
    }
}

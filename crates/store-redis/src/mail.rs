//! Messages for the workers of other instances.

use bytes::Bytes;
use domain::TaskId;
use store::{Left, StoreError};

use crate::reply::{Items, Reply};
use crate::rows;
use crate::store::Shared;

/// Most messages that wait for one instance, counted twice: with each goes its task's id.
const MOST: usize = 2 * 256;
/// What an instance has not taken by then, nobody waits for any more.
const KEPT_MS: u64 = 30_000;

/// Leaves a message for whoever runs the task.
pub(crate) async fn leave(shared: &Shared, task: &TaskId, message: &[u8]) -> Result<Left, StoreError> {
    let mut call = shared.link.call(&shared.scripts.leave_message);
    call.arg(task.as_str()).arg(MOST).arg(KEPT_MS).arg(message);
    let mut reply = Reply::of(shared.link.ask(&call).await?)?;
    match reply.code.as_str() {
        "ok" => {
            shared.tell(&mut reply, None)?;
            Ok(Left::ForItsWorker)
        }
        "not_at_work" => Ok(Left::NotAtWork),
        "full" => Ok(Left::TooMany),
        _ => Err(reply.unknown()),
    }
}

/// Takes what was left for this instance.
pub(crate) async fn take(shared: &Shared) -> Result<Vec<(TaskId, Bytes)>, StoreError> {
    let mut call = shared.link.call(&shared.scripts.take_messages);
    call.arg(&*shared.membership.id());
    let left = Items::of(shared.link.ask(&call).await?)?;
    left.each(|items| Ok((rows::id(&items.text()?, TaskId::parse)?, items.bytes()?)))
}

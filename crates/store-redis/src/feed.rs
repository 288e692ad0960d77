//! The feed of all tasks, a page at a time.

use std::collections::HashMap;

use bytes::Bytes;
use domain::TaskId;
use store::{EventBatch, FeedBuilder, FeedFilter, FeedPage, StoreError, TaskRecord};

use crate::listing::among;
use crate::reply::Items;
use crate::rows::{self, path_text, text_of};
use crate::store::Shared;

/// The tasks that notices of a page are of.
type Tasks = HashMap<TaskId, TaskRecord>;

pub(crate) async fn read(shared: &Shared, after: u64, filter: &FeedFilter) -> Result<FeedPage, StoreError> {
    let statuses: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
    let mut call = shared.link.call(&shared.scripts.feed);
    call.arg(after).arg(text_of(filter.principal.as_ref())).arg(text_of(filter.task.as_ref()));
    call.arg(text_of(filter.session.as_ref()));
    call.arg(filter.workspace.as_deref().map(path_text).transpose()?.unwrap_or_default());
    call.arg(among(&statuses));
    let mut items = Items::of(shared.link.ask(&call).await?)?;
    let mut entries = items.items()?;
    let rows = items.items()?.each(|items| rows::task(&items.fields()?))?;
    let tasks: Tasks = rows.into_iter().map(|task| (task.spec.task_id.clone(), task)).collect();
    let mut page = FeedBuilder::new(after);
    while !page.is_full() && !entries.is_empty() {
        take(shared, &mut page, &mut entries.items()?, &tasks)?;
    }
    Ok(page.finish())
}

fn take(shared: &Shared, page: &mut FeedBuilder, entry: &mut Items, tasks: &Tasks) -> Result<(), StoreError> {
    let (kind, position) = (entry.text()?, entry.number()?);
    match kind.as_str() {
        "s" => page.skip(position, entry.number()?),
        "e" => {
            let (first, bytes): (u64, Bytes) = (entry.number()?, entry.bytes()?);
            page.events(position, &EventBatch::from_stored(first, bytes));
        }
        _ => page.notice(position, notice(shared, entry, tasks)?),
    }
    Ok(())
}

/// Writes a notice as it was when the task had come there.
fn notice(shared: &Shared, entry: &mut Items, tasks: &Tasks) -> Result<Bytes, StoreError> {
    let id = rows::id(&entry.text()?, TaskId::parse)?;
    let odd = || StoreError(format!("redis holds a notice of {id} and not the task"));
    let mut task = tasks.get(&id).cloned().ok_or_else(odd)?;
    task.status = rows::status(&entry.text()?)?;
    let now = rows::time(&entry.text()?)?;
    task.attempt = entry.number()?;
    task.waiting = rows::waiting(&entry.text()?, &entry.text()?)?;
    Ok((shared.core.notice)(&task, now))
}

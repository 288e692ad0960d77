//! Lists of tasks. Scripts look through an index a bit at a time, so that nobody else waits for it; then the rows are read.

use domain::TaskId;
use redis::ScriptInvocation;
use store::{LOOKED_AT, StoreError, TaskOrder, TaskPage, TaskQuery};

use crate::reply::Items;
use crate::rows::{self, path_text, text_of};
use crate::store::Shared;

/// Tasks that one script looks at, and rows that one reads.
const LOOKED_AT_ONCE: usize = 1_000;
const ROWS_AT_ONCE: usize = 100;

/// The index that leaves the fewest to be looked at.
fn source(query: &TaskQuery) -> String {
    let filter = &query.filter;
    let label = filter.labels.iter().find_map(|label| Some((&label.key, label.value.as_ref()?)));
    if let Some(session) = &filter.session {
        format!("of:{session}")
    } else if let Some((key, value)) = label {
        format!("label:{key}={value}")
    } else if !filter.statuses.is_empty() && filter.statuses.iter().all(|status| !status.is_terminal()) {
        "open".into()
    } else {
        "tasks".into()
    }
}

fn filter_arguments(call: &mut ScriptInvocation<'_>, query: &TaskQuery) -> Result<(), StoreError> {
    let filter = &query.filter;
    let statuses: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
    call.arg(text_of(filter.principal.as_ref())).arg(text_of(filter.session.as_ref()));
    call.arg(filter.workspace.as_deref().map(path_text).transpose()?.unwrap_or_default());
    call.arg(among(&statuses));
    call.arg(text_of(filter.created_from.map(|time| time.millis())));
    call.arg(text_of(filter.created_before.map(|time| time.millis())));
    for label in &filter.labels {
        call.arg(&label.key).arg(u8::from(label.value.is_some()));
        call.arg(label.value.as_deref().unwrap_or_default());
    }
    Ok(())
}

/// Words of which one is looked for between commas.
pub(crate) fn among(words: &[&str]) -> String {
    if words.is_empty() { String::new() } else { format!(",{},", words.join(",")) }
}

/// The tasks that are wanted, one more than asked for if there are more, and where the look-up has ended if it was cut short.
async fn wanted(shared: &Shared, query: &TaskQuery) -> Result<(Vec<(TaskId, u64)>, Option<u64>), StoreError> {
    let order = match query.order {
        TaskOrder::NewestFirst => "newest",
        TaskOrder::OldestFirst => "oldest",
    };
    let (mut found, mut after, mut left) = (Vec::new(), query.after, LOOKED_AT);
    let most = query.most.saturating_add(1);
    while left > 0 && found.len() < most {
        let look = left.min(LOOKED_AT_ONCE);
        let mut call = shared.link.call(&shared.scripts.list);
        call.arg(source(query)).arg(order).arg(text_of(after)).arg(look).arg(most - found.len());
        filter_arguments(&mut call, query)?;
        let mut items = Items::of(shared.link.ask(&call).await?)?;
        let (looked, last) = (items.number::<usize>()?, items.text()?);
        let more =
            items.items()?.each(|items| Ok((rows::id(&items.text()?, TaskId::parse)?, items.number()?)))?;
        found.extend(more);
        if looked < look && found.len() < most {
            return Ok((found, None));
        }
        after = last.parse().ok();
        left -= looked;
    }
    Ok((found, after))
}

/// A page of a list.
pub(crate) async fn page(shared: &Shared, query: &TaskQuery) -> Result<TaskPage, StoreError> {
    let (mut found, cut_at) = wanted(shared, query).await?;
    let is_more = found.len() > query.most;
    found.truncate(query.most);
    let next = if is_more { found.last().map(|(_, number)| *number) } else { cut_at };
    let ids: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
    let mut tasks = Vec::with_capacity(ids.len());
    for ids in ids.chunks(ROWS_AT_ONCE) {
        // One that was dropped meanwhile is left out.
        tasks.extend(shared.tasks_by_id(ids).await?);
    }
    Ok(TaskPage { tasks, next })
}

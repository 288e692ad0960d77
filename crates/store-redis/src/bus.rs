//! The subscription of this server: hears of the commits of all, and looks up what it may have missed.

use std::sync::Arc;
use std::time::Duration;

use domain::TaskId;
use futures_util::StreamExt;
use redis::aio::PubSubStream;
use store::{Signal, StoreError};

use crate::link::Link;
use crate::news::News;
use crate::reply::Items;
use crate::rows;
use crate::scripts::Scripts;
use crate::store::Shared;

/// How often it is looked whether a message was lost, and how long to wait before the next attempt to connect.
const CHECK: Duration = Duration::from_millis(200);
/// Tasks that one look-up asks for.
const ASKED_AT_ONCE: usize = 500;

/// Where things are: the last message's number, the feed's last place, and the tasks that were asked for.
struct Overview {
    number: u64,
    position: u64,
    tasks: Vec<Option<Standing>>,
}

/// Which task has a name, and where it is.
pub(crate) struct Standing {
    pub(crate) number: u64,
    pub(crate) signal: Signal,
}

/// Listens until it is aborted.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        // Whatever ends a subscription, the next one begins by looking everything up.
        if let Ok(stream) = subscribe(&shared).await
            && catch_up(&shared).await.is_ok()
        {
            listen(&shared, stream).await;
        }
        tokio::time::sleep(CHECK).await;
    }
}

async fn subscribe(shared: &Shared) -> Result<PubSubStream, StoreError> {
    let link = &shared.link;
    let subscribed = async {
        let mut subscription = link.client().get_async_pubsub().await?;
        subscription.subscribe(format!("{}news", link.prefix)).await?;
        Ok(subscription.into_on_message())
    };
    match tokio::time::timeout(link.timeout, subscribed).await {
        Ok(stream) => stream.map_err(|error| link.failed(&error)),
        Err(_) => Err(StoreError(format!("redis at {} did not answer a subscription", link.address()))),
    }
}

/// Hears messages until the connection is gone, or has gone silent without telling.
async fn listen(shared: &Shared, mut stream: PubSubStream) {
    let mut check = tokio::time::interval(CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut behind = None;
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return };
                let news = std::str::from_utf8(message.get_payload_bytes()).ok().and_then(News::parse);
                let is_lost = news.is_none_or(|news| shared.live.hear(&news));
                if is_lost && catch_up(shared).await.is_err() {
                    return;
                }
            }
            _ = check.tick() => {
                shared.live.tidy();
                let before = shared.live.last_heard();
                let Ok(overview) = overview(shared, &[]).await else { continue };
                let heard = shared.live.last_heard();
                if behind.is_some_and(|behind| behind > heard) || overview.number < before {
                    return;
                }
                behind = Some(overview.number);
            }
        }
    }
}

/// Looks up where everything is that somebody watches.
async fn catch_up(shared: &Shared) -> Result<(), StoreError> {
    // Before the tasks, so that what comes meanwhile is a message of its own.
    // What was heard by now, so that a commit which is answered meanwhile does not count as lost.
    let heard = shared.live.last_heard();
    let first = overview(shared, &[]).await?;
    if first.number < heard {
        // A failover, or a crash without its last commits: what was answered is not all there, tokens may be given out again.
        tracing::error!(
            "redis has lost commits that it had acknowledged: this server ends its agents and joins again"
        );
        shared.membership.misses_commits();
        shared.live.distrust(first.position);
    }
    for tasks in shared.live.followed().chunks(ASKED_AT_ONCE) {
        for (task, standing) in tasks.iter().zip(overview(shared, tasks).await?.tasks) {
            match standing {
                Some(standing) => shared.live.apply_standing(task, standing.number, standing.signal),
                None => shared.live.apply_end(task),
            }
        }
    }
    shared.live.caught_up(first.number, first.position);
    Ok(())
}

async fn overview(shared: &Shared, tasks: &[TaskId]) -> Result<Overview, StoreError> {
    let mut call = shared.link.call(&shared.scripts.signals);
    for task in tasks {
        call.arg(task.as_str());
    }
    let mut items = Items::of(shared.link.ask(&call).await?)?;
    let (number, position) = (items.number()?, items.number()?);
    let tasks = items.each(|items| {
        let mut row = items.items()?;
        if row.is_empty() {
            return Ok(None);
        }
        let (number, tail, status) = (row.number()?, row.number()?, rows::status(&row.text()?)?);
        let signal = Signal { tail, ended: status.is_terminal(), interrupt_requested: row.flag()? };
        Ok(Some(Standing { number, signal }))
    })?;
    Ok(Overview { number, position, tasks })
}

/// Where a task is, if it is there.
pub(crate) async fn standing_of(shared: &Shared, task: &TaskId) -> Result<Option<Standing>, StoreError> {
    Ok(overview(shared, std::slice::from_ref(task)).await?.tasks.pop().flatten())
}

/// The feed's last place.
pub(crate) async fn position(link: &Link, scripts: &Scripts) -> Result<u64, StoreError> {
    let mut items = Items::of(link.ask(&link.call(&scripts.signals)).await?)?;
    items.text()?;
    items.number()
}

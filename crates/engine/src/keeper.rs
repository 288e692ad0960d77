//! What has to be looked after beside the tasks at work: waiting tasks that are not to run, agents that wait for too long,
//! ended tasks that are no longer kept.

use std::sync::Arc;
use std::time::Duration;

use store::{CommitError, EndedPlace, StoreError};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::handle::clear_away;
use crate::lease;
use crate::recovery::end_doomed;
use crate::run::Deps;

/// After the storage failed to answer, how long to wait before asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Tasks that are dropped in one transaction: while it lasts, nothing else is written.
const DROPPED_AT_ONCE: usize = 10;

/// Ends waiting tasks that are not to run. Never returns.
pub(crate) async fn end_what_is_doomed(deps: Arc<Deps>) {
    let mut queue = deps.store.watch_queue();
    loop {
        queue.borrow_and_update();
        match end_doomed_now(&deps).await {
            // The sender lives in the store, which we hold: an error cannot be.
            Ok(()) => drop(queue.changed().await),
            Err(error) => {
                tracing::error!(%error, "waiting tasks that are not to run could not be ended");
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn end_doomed_now(deps: &Deps) -> Result<(), StoreError> {
    for doomed in deps.store.doomed().await? {
        let task_id = doomed.task.spec.task_id.clone();
        match end_doomed(deps, doomed).await {
            // Or somebody else ended it.
            Ok(()) | Err(CommitError::Fenced | CommitError::Sequence { .. }) => {}
            Err(CommitError::Store(error)) => return Err(error),
            Err(error) => tracing::error!(%task_id, %error, "a waiting task could not be ended"),
        }
    }
    Ok(())
}

/// Hibernates agents and drops what is beyond the retention, again and again. Never returns.
pub(crate) async fn clean_up(deps: Arc<Deps>) {
    let mut ticks = interval(deps.settings.cleanup_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        deps.agents.hibernate_idle(deps.settings.idle_timeout).await;
        if !lease::has_none(&*deps.store) {
            deps.agents.fill_spares();
        }
        drop_beyond_retention(&deps).await;
    }
}

async fn drop_beyond_retention(deps: &Arc<Deps>) {
    let mut after = None;
    loop {
        // Is finished though this is cut off: nobody else clears away what was dropped.
        let dropping = deps.agents.tracker().spawn(drop_some(Arc::clone(deps), after));
        match dropping.await {
            Ok(Ok(None)) => return,
            Ok(Ok(next)) => after = next,
            Ok(Err(error)) => return tracing::error!(%error, "ended tasks could not be dropped"),
            Err(error) => return tracing::error!(%error, "ended tasks could not be dropped"),
        }
    }
}

/// Gives after which to go on, if there may be more.
async fn drop_some(deps: Arc<Deps>, after: Option<EndedPlace>) -> Result<Option<EndedPlace>, StoreError> {
    let (retention, now) = (&deps.settings.retention, deps.clock.now());
    let dropped = deps.store.drop_beyond(retention, now, after, DROPPED_AT_ONCE).await?;
    for session in dropped.sessions {
        clear_away(&deps.agents, session).await;
    }
    if dropped.tasks > 0 {
        tracing::info!(tasks = dropped.tasks, "ended tasks were dropped");
    }
    Ok(dropped.next)
}

//! What carries the marker of a child that has ended and that no list led to: a daemon that already ran started it on
//! behalf of the child. Found by walking the process table, once for all children that ended within a second.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::adopted::ADOPTING;
use crate::owner::Marker;
use crate::tree::{Claim, Toll, Tree};

/// Ends that come within this time are taken together.
const GATHERING: Duration = Duration::from_secs(1);
/// How long ending all stragglers may take.
const END_LIMIT: Duration = Duration::from_secs(5);

static ENDED: LazyLock<Mutex<HashSet<Marker>>> = LazyLock::new(Mutex::default);
static THERE_ARE_SOME: Notify = Notify::const_new();

/// Has those of an ended child looked for, while orphans are adopted.
pub(crate) fn look_for(marker: &Marker) {
    if ADOPTING.load(Ordering::Relaxed) {
        ENDED.lock().unwrap_or_else(PoisonError::into_inner).insert(marker.clone());
        THERE_ARE_SOME.notify_one();
    }
}

/// Kills those of all children that have ended since the last time.
pub(crate) fn end() -> Toll {
    // Who ends them at the end of the server waits for what is under way.
    static AT_WORK: Mutex<()> = Mutex::new(());
    let _at_work = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
    let ended = std::mem::take(&mut *ENDED.lock().unwrap_or_else(PoisonError::into_inner));
    if ended.is_empty() {
        return Toll { killed: 0, left: 0 };
    }
    Tree::new(Claim::Strays(ended), Vec::new(), HashSet::from([std::process::id()])).kill(END_LIMIT)
}

/// Goes on for as long as orphans are adopted.
pub(crate) async fn end_for_ever() {
    loop {
        THERE_ARE_SOME.notified().await;
        tokio::time::sleep(GATHERING).await;
        match spawn_blocking(end).await {
            Ok(Toll { killed: 0, left: 0 }) => {}
            Ok(Toll { killed, left }) => {
                tracing::warn!(killed, left, "processes of ended children ran outside of their groups");
            }
            Err(error) => tracing::warn!(%error, "cannot look for what ended children left behind"),
        }
    }
}

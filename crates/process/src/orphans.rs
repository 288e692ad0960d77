//! Adopting what outlives its parent, so that it neither becomes a child of init nor stays a zombie.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{AbortHandle, spawn_blocking};

use crate::adopted::ADOPTING;
use crate::own_children;
use crate::proc_table::{self, Identity, Row};
use crate::stragglers;
use crate::sweep::SweepReport;
use crate::tree::{Claim, Tree};

/// Ends that come within this time are taken together.
const GATHERING: Duration = Duration::from_millis(100);
/// How long ending all orphans may take.
const END_LIMIT: Duration = Duration::from_secs(5);

/// While this lives, the process adopts orphaned descendants and reaps them. Dropping it ends both.
#[derive(Debug)]
pub struct Orphans {
    reaper: AbortHandle,
    stragglers: AbortHandle,
    reaped: Arc<AtomicU64>,
}

/// Makes this process the parent of every descendant that loses its own (`PR_SET_CHILD_SUBREAPER`), and reaps
/// those when they end. Opt-in, because it changes the whole process. Call it once, within a tokio runtime.
///
/// Told from other children by their session: nobody joins a session, it is only inherited, so a child in another
/// session than ours that this crate did not fork must have been adopted. Children that other code of this
/// process starts are left alone, as long as that code does not make them leaders of a session.
///
/// # Errors
/// When the system refuses, or `SIGCHLD` cannot be listened to.
pub fn adopt_orphans() -> io::Result<Orphans> {
    let ends = signal(SignalKind::child())?;
    set_child_subreaper(Some(getpid()))?;
    ADOPTING.store(true, Ordering::Relaxed);
    let reaped = Arc::new(AtomicU64::new(0));
    let reaper = tokio::spawn(reap_for_ever(ends, Arc::clone(&reaped))).abort_handle();
    let stragglers = tokio::spawn(stragglers::end_for_ever()).abort_handle();
    Ok(Orphans { reaper, stragglers, reaped })
}

impl Orphans {
    /// How many orphans have been reaped.
    #[must_use]
    pub fn reaped(&self) -> u64 {
        self.reaped.load(Ordering::Relaxed)
    }

    /// How many orphans live. At most those of running children; 0 when none runs.
    ///
    /// # Errors
    /// When the process table cannot be read.
    pub async fn living(&self) -> io::Result<usize> {
        spawn_blocking(|| Ok(orphans(&own_children::lock())?.iter().filter(|row| row.is_alive()).count()))
            .await?
    }

    /// Kills all orphans with all that descends from them. For the end of the server, when no child runs any more:
    /// this gets even those that nobody can tell the origin of.
    ///
    /// # Errors
    /// When the process table cannot be read.
    pub async fn end(self) -> io::Result<SweepReport> {
        spawn_blocking(|| {
            let stragglers = stragglers::end();
            let known: HashSet<Identity> = orphans(&own_children::lock())?
                .iter()
                .filter(|row| row.is_alive())
                .map(|row| row.identity)
                .collect();
            let children = known.len();
            let spared = HashSet::from([std::process::id()]);
            let toll = Tree::new(Claim::These(known), Vec::new(), spared).kill(END_LIMIT);
            reap_all()?;
            Ok(SweepReport {
                children,
                processes_killed: stragglers.killed + toll.killed,
                processes_left: stragglers.left + toll.left,
            })
        })
        .await?
    }
}

impl Drop for Orphans {
    fn drop(&mut self) {
        self.reaper.abort();
        self.stragglers.abort();
        ADOPTING.store(false, Ordering::Relaxed);
        if let Err(error) = set_child_subreaper(None) {
            tracing::warn!(%error, "cannot stop adopting orphans");
        }
    }
}

async fn reap_for_ever(mut ends: Signal, reaped: Arc<AtomicU64>) {
    while ends.recv().await.is_some() {
        tokio::time::sleep(GATHERING).await;
        let total = Arc::clone(&reaped);
        let round =
            spawn_blocking(move || reap_all().map(|count| total.fetch_add(count, Ordering::Relaxed))).await;
        if let Ok(Err(error)) = round {
            tracing::warn!(%error, "cannot look for ended orphans");
        }
    }
}

fn reap_all() -> io::Result<u64> {
    let mut count = 0;
    let own = own_children::lock();
    for row in orphans(&own)?.iter().filter(|row| !row.is_alive()) {
        let pid = i32::try_from(row.identity.pid).ok().and_then(Pid::from_raw);
        let reap = |pid| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        count += u64::from(pid.is_some_and(|pid| reap(pid).is_ok_and(|status| status.is_some())));
    }
    Ok(count)
}

/// The children of this process that it did not fork itself.
fn orphans(own: &HashSet<u32>) -> io::Result<Vec<Row>> {
    let this = std::process::id();
    let session = proc_table::own_session()?;
    let mut rows = proc_table::rows()?;
    rows.retain(|row| row.parent == this && row.session != session && !own.contains(&row.identity.pid));
    Ok(rows)
}

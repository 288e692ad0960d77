//! A process beside a server that shares its storage. A server that stands still cannot end its agents when its lease ends, and
//! another one would run beside them: then the warden ends them. It hears by a pipe until when the lease holds, and ends with its
//! server.

use std::io;
use std::os::fd::AsFd;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use process::{Owner, ServerName};
use store::{Store, boot_time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::cli::WardenArguments;

/// After a warden ended, when another one is started.
const START_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// A machine that was suspended finds out after this that time has passed: its timers stood still.
const LOOKED_AT_EACH: Duration = Duration::from_millis(200);
/// Without a lease, agents are looked for so often: one may have been about to start.
const ENDED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long a warden may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The warden's own work.
pub(crate) fn main(arguments: &WardenArguments) -> ExitCode {
    let Ok(owner) = Owner::new(&arguments.owner) else { return ExitCode::FAILURE };
    let Some(server) = ServerName::parse(&arguments.server) else { return ExitCode::FAILURE };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let end_agents = || {
        process::end_children_of(&owner, server);
    };
    match runtime.block_on(work(Duration::from_millis(arguments.until_ms), end_agents)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn work(until: Duration, end_agents: impl Fn()) -> io::Result<()> {
    // It ends with its server, which may take its time: what is sent to all processes of a service does not end it.
    let ignored = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let server = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let (sender, deadline) = watch::channel(until);
    let listening = tokio::spawn(listen(server, sender));
    watch_over(deadline, end_agents).await;
    listening.abort();
    drop(ignored);
    Ok(())
}

/// Passes on until when the lease holds, until the server's pipe ends.
async fn listen(mut server: pipe::Receiver, deadline: watch::Sender<Duration>) {
    while let Ok(until) = server.read_u64_le().await {
        deadline.send_replace(Duration::from_millis(until));
    }
}

/// Ends the agents whenever the time is over, and once the server has ended.
async fn watch_over(mut deadline: watch::Receiver<Duration>, end_agents: impl Fn()) {
    loop {
        let left = deadline.borrow_and_update().saturating_sub(boot_time());
        let pause = if left.is_zero() {
            end_agents();
            ENDED_AGAIN_AFTER
        } else {
            left.min(LOOKED_AT_EACH)
        };
        tokio::select! {
            biased;
            changed = deadline.changed() => if changed.is_err() {
                return end_agents();
            },
            () = sleep(pause) => {}
        }
    }
}

/// A warden beside this server, another one whenever it ends.
pub(crate) struct Warden {
    ending: CancellationToken,
    keeping: AbortOnDropHandle<()>,
}

impl Warden {
    /// Starts it. It ends the agents once `grace` has passed since the end of what this server counts on of its lease; `heartbeat` is
    /// the time between two renewals. `None` where the storage is not shared.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        owner: Owner,
        grace: Duration,
        heartbeat: Duration,
    ) -> Option<Self> {
        store.lease_ends()?;
        let ending = CancellationToken::new();
        let lease = Lease { store, grace, told_each: heartbeat / 2 };
        let keeping = tokio::spawn(keep(lease, owner, ending.clone()));
        Some(Self { ending, keeping: AbortOnDropHandle::new(keeping) })
    }

    /// Ends it, when no agent is left.
    pub(crate) async fn end(self) {
        self.ending.cancel();
        if timeout(ENDS_WITHIN, self.keeping).await.is_err() {
            tracing::warn!("the warden of the agents did not end in time");
        }
    }
}

/// What a warden has to know.
struct Lease {
    store: Arc<dyn Store>,
    grace: Duration,
    told_each: Duration,
}

impl Lease {
    fn until(&self) -> Duration {
        self.store.lease_ends().map_or(Duration::MAX, |ends| ends + self.grace)
    }
}

async fn keep(lease: Lease, owner: Owner, ending: CancellationToken) {
    while !ending.is_cancelled() {
        match start(&lease, &owner) {
            Ok(mut warden) => tell(&mut warden, &lease, &ending).await,
            Err(error) => tracing::error!(%error, "the warden of the agents cannot be started"),
        }
        ending.run_until_cancelled(sleep(START_AGAIN_AFTER)).await;
    }
}

fn start(lease: &Lease, owner: &Owner) -> io::Result<Child> {
    let this = ServerName::this().ok_or_else(|| io::Error::other("the process table cannot be read"))?;
    // This very program, even when its file has been replaced meanwhile.
    Command::new("/proc/self/exe")
        .arg0("claude-code-server")
        .arg("warden")
        .args(["--owner", owner.name()])
        .args(["--server", &this.to_string()])
        .args(["--until-ms", &millis(lease.until()).to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // What a terminal sends to the server is not for it.
        .process_group(0)
        .spawn()
}

/// Tells a warden until when the lease holds, until one of them ends.
async fn tell(warden: &mut Child, lease: &Lease, ending: &CancellationToken) {
    let (Some(mut pipe), Some(mut held)) = (warden.stdin.take(), lease.store.lease()) else { return };
    let mut ticks = interval(lease.told_each);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Duration::ZERO;
    loop {
        tokio::select! {
            () = ending.cancelled() => break,
            ended = warden.wait() => {
                return tracing::error!(?ended, "the warden of the agents has ended: another one is started");
            }
            // A new lease is told at once: agents may start under it, which the warden must not end.
            changed = held.changed() => if changed.is_err() {
                break;
            },
            _ = ticks.tick() => {}
        }
        let until = lease.until();
        if until != told && pipe.write_u64_le(millis(until)).await.is_err() {
            return;
        }
        told = until;
    }
    drop(pipe);
    drop(warden.wait().await);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn agents_are_ended_for_as_long_as_the_time_is_over_and_once_the_server_has_ended() {
        let (sender, deadline) = watch::channel(boot_time() + Duration::from_millis(100));
        let (ended, due) = (Arc::new(AtomicU32::new(0)), *deadline.borrow());
        let (counted, mut at) = watch::channel(None);
        let count = Arc::clone(&ended);
        let watching = tokio::spawn(watch_over(deadline, move || {
            count.fetch_add(1, Ordering::Relaxed);
            counted.send_if_modified(|first| first.is_none() && first.replace(boot_time()).is_none());
        }));
        let first = at.wait_for(Option::is_some).await.expect("it watches").expect("counted");
        assert!(first >= due, "{first:?} is before {due:?}");
        // Looked for again, though nobody says anything.
        while ended.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        sender.send_replace(boot_time() + Duration::from_secs(60));
        tokio::task::yield_now().await;
        let before = ended.load(Ordering::Relaxed);
        drop(sender);
        watching.await.expect("no panic");
        assert_eq!(ended.load(Ordering::Relaxed), before + 1);
    }
}

//! A process beside a server that ends its agents when the server cannot: once it was killed, and, where others share its storage, when it
//! stands still until its lease ends, since another one would then run beside them. It hears by a pipe until when the lease holds.

use std::io;
use std::os::fd::AsFd;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use process::{LeftBehind, Owner, ServerName};
use store::{LeaseState, Store, boot_time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::cli::WardenArguments;

/// After a warden ended, when another one is started; twice as long after each that ended sooner than the longest of these times.
const START_AGAIN_AFTER: Duration = Duration::from_millis(200);
const START_AGAIN_WITHIN: Duration = Duration::from_secs(30);
/// A machine that was suspended finds out after this that time has passed: its timers stood still.
const LOOKED_AT_EACH: Duration = Duration::from_millis(200);
/// Without a lease, agents are looked for so often: one may have been about to start.
const ENDED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long a warden may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// The death of their server tells agents to end (`PR_SET_PDEATHSIG`), which they do in order, with what they have yet to write, if it takes
/// no longer.
const AGENTS_LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How often is looked whether they have.
const LEFT_IS_LOOKED_AT_EACH: Duration = Duration::from_millis(50);
/// Told in place of a lease's end by a server that has none.
const FOR_EVER: u64 = u64::MAX;
/// Told in place of a lease's end by a server that has ended its agents.
const NONE_IS_LEFT: u64 = u64::MAX - 1;

/// What a server runs.
trait Agents {
    /// What is left of it when the server was killed.
    type Left: Left;

    /// Kills them.
    fn end(&self);
    /// Looks for that.
    fn left(&self) -> Self::Left;
}

/// What a killed server leaves behind.
trait Left {
    /// Whether any of it lives.
    fn lives(&mut self) -> bool;
    /// Kills it.
    fn end(self);
}

/// What the process table shows of them.
struct InTable {
    owner: Owner,
    server: ServerName,
}

impl Agents for InTable {
    type Left = LeftBehind;

    fn end(&self) {
        process::end_children_of(&self.owner, self.server);
    }

    fn left(&self) -> LeftBehind {
        LeftBehind::by(&self.owner, self.server)
    }
}

impl Left for LeftBehind {
    fn lives(&mut self) -> bool {
        self.lives()
    }

    fn end(self) {
        self.end();
    }
}

/// What a server says to its warden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Its agents may run until then, as [`boot_time`].
    Until(Duration),
    /// It has ended them, and is about to end in order.
    NoneIsLeft,
}

impl Told {
    fn of(word: u64) -> Self {
        match word {
            NONE_IS_LEFT => Self::NoneIsLeft,
            FOR_EVER => Self::Until(Duration::MAX),
            millis => Self::Until(Duration::from_millis(millis)),
        }
    }
}

/// The warden's own work.
pub(crate) fn main(arguments: &WardenArguments) -> ExitCode {
    let Ok(owner) = Owner::new(&arguments.owner) else { return ExitCode::FAILURE };
    let Some(server) = ServerName::parse(&arguments.server) else { return ExitCode::FAILURE };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let agents = InTable { owner, server };
    match runtime.block_on(work(Told::of(arguments.until_ms), &agents)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn work(told: Told, agents: &InTable) -> io::Result<()> {
    // It ends with its server, which may take its time: what is sent to all processes of a service does not end it.
    let ignored = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let server = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let (sender, told) = watch::channel(told);
    let listening = tokio::spawn(listen(server, sender));
    watch_over(told, agents).await;
    listening.abort();
    drop(ignored);
    Ok(())
}

/// Passes on what the server says, until its pipe ends.
async fn listen(mut server: pipe::Receiver, told: watch::Sender<Told>) {
    while let Ok(word) = server.read_u64_le().await {
        told.send_replace(Told::of(word));
    }
}

/// Ends the agents whenever the time is over, and once the server has ended.
async fn watch_over(mut told: watch::Receiver<Told>, agents: &impl Agents) {
    loop {
        // One that did not end in time is not left to the next server.
        let Told::Until(until) = *told.borrow_and_update() else { return agents.end() };
        let left = until.saturating_sub(boot_time());
        let pause = if left.is_zero() {
            agents.end();
            ENDED_AGAIN_AFTER
        } else if until == Duration::MAX {
            Duration::MAX
        } else {
            left.min(LOOKED_AT_EACH)
        };
        tokio::select! {
            biased;
            changed = told.changed() => if changed.is_err() {
                return end_who_stays(agents.left(), until).await;
            },
            () = sleep(pause) => {}
        }
    }
}

/// Ends the agents of a server that was killed, if they do not end by themselves, before its lease does.
async fn end_who_stays(mut left: impl Left, lease_ends: Duration) {
    let until = lease_ends.min(boot_time() + AGENTS_LEAVE_WITHIN);
    while boot_time() < until && left.lives() {
        sleep(LEFT_IS_LOOKED_AT_EACH).await;
    }
    left.end();
}

/// A warden beside this server, another one whenever it ends.
pub(crate) struct Warden {
    ending: CancellationToken,
    keeping: AbortOnDropHandle<()>,
}

/// When a server counts on its lease, where it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaseTimes {
    /// From the end of what the server counts on until the warden ends its agents.
    pub(crate) grace: Duration,
    /// Between two renewals.
    pub(crate) heartbeat: Duration,
}

impl Warden {
    /// Starts it: at once where the storage is shared or `prepares` agents before there are tasks, else with the first task.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        owner: Owner,
        times: Option<LeaseTimes>,
        prepares: bool,
    ) -> Self {
        let ending = CancellationToken::new();
        let watched = Watched { store, times };
        let until = ending.clone();
        let keeping = async move {
            let at_once = prepares || watched.times.is_some();
            if at_once || until.run_until_cancelled(watched.first_task()).await.is_some() {
                keep(watched, owner, until).await;
            }
        };
        Self { ending, keeping: AbortOnDropHandle::new(tokio::spawn(keeping)) }
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
struct Watched {
    store: Arc<dyn Store>,
    times: Option<LeaseTimes>,
}

impl Watched {
    /// Until when the agents may run.
    fn until(&self) -> Duration {
        let grace = self.times.map_or(Duration::ZERO, |times| times.grace);
        self.store.lease_ends().map_or(Duration::MAX, |ends| ends + grace)
    }

    /// Waits until an agent may be about to start.
    async fn first_task(&self) {
        let mut queue = self.store.watch_queue();
        // What cannot be looked up may be there.
        if self.store.open_tasks().await.is_ok_and(|open| open.is_empty()) {
            // Nobody is left to submit one when the store is closed.
            queue.changed().await.unwrap_or_default();
        }
    }
}

async fn keep(watched: Watched, owner: Owner, ending: CancellationToken) {
    let mut pause = START_AGAIN_AFTER;
    while !ending.is_cancelled() {
        let began = Instant::now();
        match start(&watched, &owner) {
            Ok(mut warden) => tell(&mut warden, &watched, &ending).await,
            Err(error) => tracing::error!(%error, "the warden of the agents cannot be started"),
        }
        if began.elapsed() > START_AGAIN_WITHIN {
            pause = START_AGAIN_AFTER;
        }
        ending.run_until_cancelled(sleep(pause)).await;
        pause = START_AGAIN_WITHIN.min(pause * 2);
    }
}

fn start(watched: &Watched, owner: &Owner) -> io::Result<Child> {
    let this = ServerName::this().ok_or_else(|| io::Error::other("the process table cannot be read"))?;
    // This very program, even when its file has been replaced meanwhile.
    Command::new("/proc/self/exe")
        .arg0("claude-code-server")
        .arg("warden")
        .args(["--owner", owner.name()])
        .args(["--server", &this.to_string()])
        .args(["--until-ms", &millis(watched.until()).to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        // Who reads the server's output hears of its end at once.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What a terminal sends to the server is not for it.
        .process_group(0)
        .spawn()
}

/// Tells a warden until when the lease holds, until one of them ends.
async fn tell(warden: &mut Child, watched: &Watched, ending: &CancellationToken) {
    let Some(mut pipe) = warden.stdin.take() else { return };
    let mut lease = Renewals::of(watched);
    let mut told = Duration::ZERO;
    loop {
        tokio::select! {
            () = ending.cancelled() => {
                // One that is gone needs not be told.
                pipe.write_u64_le(NONE_IS_LEFT).await.unwrap_or_default();
                break;
            }
            ended = warden.wait() => {
                return tracing::error!(?ended, "the warden of the agents has ended: another one is started");
            }
            goes_on = lease.renewed() => if !goes_on {
                break;
            }
        }
        let until = watched.until();
        if until != told && pipe.write_u64_le(millis(until)).await.is_err() {
            return;
        }
        told = until;
    }
    drop(pipe);
    drop(warden.wait().await);
}

/// When the end of a lease may have changed.
struct Renewals(Option<(watch::Receiver<LeaseState>, Interval)>);

impl Renewals {
    fn of(watched: &Watched) -> Self {
        let times = watched.store.lease().zip(watched.times);
        Self(times.map(|(held, times)| {
            let mut ticks = interval(times.heartbeat / 2);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            (held, ticks)
        }))
    }

    /// Waits for that; gives whether the store goes on.
    async fn renewed(&mut self) -> bool {
        let Some((held, ticks)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            // A new lease is told at once: agents may start under it, which the warden must not end.
            changed = held.changed() => changed.is_ok(),
            _ = ticks.tick() => true,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(FOR_EVER)
}

#[cfg(test)]
mod tests;

//! A process beside a server that shares its storage. A server that stands still cannot end its agents when its lease ends, and
//! another one would run beside them: then the warden ends them. It hears from its server by a pipe, and ends with it.

use std::io::{ErrorKind, Read};
use std::process::{ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use process::Owner;
use store::LeaseState;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::cli::WardenArguments;

/// A server is heard of so often while it may be silent once.
const BEATS: u32 = 10;
/// After a warden ended, when another one is started.
const START_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The warden's own work.
pub(crate) fn main(arguments: &WardenArguments) -> ExitCode {
    let Ok(owner) = Owner::new(&arguments.owner) else { return ExitCode::FAILURE };
    let (sender, beats) = channel();
    std::thread::spawn(move || listen(&sender));
    watch_over(&beats, Duration::from_millis(arguments.within_ms), || {
        process::end_children_of(&owner, arguments.server);
    });
    ExitCode::SUCCESS
}

/// Passes on that the server was heard of, until its pipe ends.
fn listen(sender: &Sender<()>) {
    let mut stdin = std::io::stdin().lock();
    let mut beats = [0; 64];
    loop {
        match stdin.read(&mut beats) {
            Ok(0) => return,
            Ok(_) => {
                if sender.send(()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Ends the agents whenever the server is silent for too long, and once it has ended.
fn watch_over(beats: &Receiver<()>, within: Duration, end_agents: impl Fn()) {
    loop {
        match beats.recv_timeout(within) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                end_agents();
                // Until it is heard of again, there are none.
                if beats.recv().is_err() {
                    return end_agents();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return end_agents(),
        }
    }
}

/// Keeps a warden beside this server as long as it is polled. It ends the agents when the lease is not held, or this process stands
/// still, for that long.
pub(crate) async fn keep(owner: &Owner, within: Duration, lease: watch::Receiver<LeaseState>) {
    loop {
        match start(owner, within) {
            Ok(mut warden) => beat(&mut warden, within, &lease).await,
            Err(error) => tracing::error!(%error, "the warden of the agents cannot be started"),
        }
        sleep(START_AGAIN_AFTER).await;
    }
}

fn start(owner: &Owner, within: Duration) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("warden")
        .args(["--owner", owner.name()])
        .args(["--server", &std::process::id().to_string()])
        .args(["--within-ms", &within.as_millis().to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
}

async fn beat(warden: &mut Child, within: Duration, lease: &watch::Receiver<LeaseState>) {
    let Some(mut pipe) = warden.stdin.take() else { return };
    let mut ticks = interval(within / BEATS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = warden.wait() => {
                return tracing::error!(?ended, "the warden of the agents has ended: another one is started");
            }
            _ = ticks.tick() => {}
        }
        if *lease.borrow() == LeaseState::Held && pipe.write_all(b".").await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;

    #[test]
    fn agents_are_ended_when_their_server_is_silent_and_once_it_has_ended() {
        let within = Duration::from_millis(50);
        let (sender, beats) = channel();
        let ended = Mutex::new(Vec::new());
        let started = Instant::now();
        std::thread::scope(|scope| {
            let end = || ended.lock().expect("not poisoned").push(started.elapsed());
            scope.spawn(move || watch_over(&beats, within, end));
            sender.send(()).expect("it listens");
            while ended.lock().expect("not poisoned").is_empty() {
                std::thread::yield_now();
            }
            sender.send(()).expect("it listens");
            drop(sender);
        });
        let ended = ended.into_inner().expect("not poisoned");
        assert_eq!(ended.len(), 2);
        assert!(ended[0] >= within, "{ended:?}");
    }
}

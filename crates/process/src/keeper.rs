//! The task that watches one child, stops it on request, and clears away what it leaves.

use std::io;
use std::sync::Arc;

use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::exit_event::ExitEvent;
use crate::life::{DRAIN_LIMIT, Life, News, Stops};
use crate::root::Root;
use crate::stderr_tail::StderrTail;
use crate::tree::Toll;
use crate::{Exit, Receipt, Rung, RungReport};

/// Starts the task that keeps this child.
pub(crate) fn keep(root: Root, stderr: ChildStderr) -> io::Result<Life> {
    let root = Arc::new(root);
    let ended = ExitEvent::of(&root)?;
    let (stops, requests) = watch::channel(Stops::default());
    let (publish, news) = watch::channel(News::default());
    let tail = StderrTail::default();
    let life = Life {
        pid: root.pid(),
        root: Arc::downgrade(&root),
        containment: root.containment(),
        stops: Arc::new(stops),
        news,
        stderr: tail.clone(),
    };
    let keeper = Keeper { root, ended, requests, publish, draining: tail.drain(stderr) };
    tokio::spawn(keeper.run());
    Ok(life)
}

struct Keeper {
    root: Arc<Root>,
    ended: ExitEvent,
    requests: watch::Receiver<Stops>,
    publish: watch::Sender<News>,
    draining: JoinHandle<()>,
}

/// What killing the tree came to, and how the child exited.
type End = (Toll, Option<Exit>);

/// How waiting on a rung ended.
enum Waited {
    Exited,
    /// Time is up, a further call came, or nobody holds the child any more.
    GoOn,
}

impl Keeper {
    async fn run(mut self) {
        let (begun, rungs, killed) = self.climb().await;
        let (toll, exit) = match killed {
            Some(end) => end,
            // Also after a normal exit: what the child left behind goes with it.
            None => {
                self.publish.send_modify(|news| news.exit = self.root.peek());
                self.finish().await
            }
        };
        self.publish.send_modify(|news| news.exit = exit);
        let unread = timeout(DRAIN_LIMIT, &mut self.draining).await.is_err();
        self.draining.abort();
        let pipes_leaked = unread || self.root.pipes_leaked();
        if toll.left > 0 {
            tracing::error!(
                pid = self.root.pid(),
                left = toll.left,
                "processes of a child could not be killed"
            );
        }
        let took = begun.elapsed();
        let Toll { killed: processes_killed, left: processes_left } = toll;
        let receipt = Receipt { exit, rungs, took, processes_killed, processes_left, pipes_leaked };
        self.publish.send_modify(|news| news.end = Some((receipt, Instant::now())));
        if exit.is_none() {
            // Stuck in the kernel, it cannot be reaped yet.
            self.ended.wait().await;
            self.root.reap();
        }
    }

    /// Waits for the end of the child, and climbs the ladder when asked. Returns since when, by which rungs, and
    /// what the kill came to, if it came to that.
    async fn climb(&mut self) -> (Instant, Vec<RungReport>, Option<End>) {
        let mut rungs = Vec::new();
        if let Waited::Exited = self.wait(0, None).await {
            rungs.push(RungReport { rung: Rung::ExitedAlone, took: Duration::ZERO });
            return (Instant::now(), rungs, None);
        }
        let begun = Instant::now();
        let ladder = self.requests.borrow().ladder;
        if let Some(ladder) = ladder {
            for (calls, rung, grace) in
                [(1, Rung::ExitedAlone, ladder.exit_grace), (2, Rung::Terminated, ladder.term_grace)]
            {
                let start = Instant::now();
                if rung == Rung::Terminated {
                    self.root.terminate();
                }
                let waited = self.wait(calls, Some(grace)).await;
                rungs.push(RungReport { rung, took: start.elapsed() });
                if let Waited::Exited = waited {
                    return (begun, rungs, None);
                }
            }
        }
        let start = Instant::now();
        let end = self.finish().await;
        rungs.push(RungReport { rung: Rung::Killed, took: start.elapsed() });
        (begun, rungs, Some(end))
    }

    /// Waits for the exit, for more than `calls` requests to stop, for the last [`Life`] to go, and for `limit`.
    async fn wait(&mut self, calls: usize, limit: Option<Duration>) -> Waited {
        let out_of_time = async {
            match limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.ended.wait() => Waited::Exited,
            // An error says that the last sender is gone, and with it the last Life.
            _ = self.requests.wait_for(|stops| stops.calls > calls) => Waited::GoOn,
            () = out_of_time => Waited::GoOn,
        }
    }

    async fn finish(&self) -> End {
        let root = Arc::clone(&self.root);
        let finished = tokio::task::spawn_blocking(move || root.finish()).await;
        // An error says that the runtime is shutting down: then the root's drop does it.
        finished.unwrap_or((Toll { killed: 0, left: 0 }, None))
    }
}

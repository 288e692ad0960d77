//! What the caller holds of a child.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::root::Root;
use crate::stderr_tail::StderrTail;
use crate::{Containment, Exit, Ladder, Receipt, Vitals};

/// How long after the end of a child and its tree a reader should still wait for the end of its stdout.
pub const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// A running child.
#[derive(Debug)]
pub struct Child {
    /// The child's stdin; dropping it closes it.
    pub stdin: ChildStdin,
    /// The child's stdout. Read it to the end of file, or until [`Life::drain_deadline`] has passed.
    pub stdout: ChildStdout,
    /// The handle on its life.
    pub life: Life,
}

/// Cloneable handle on a child's life. When the last one is dropped, the child is killed with its whole tree.
#[derive(Debug, Clone)]
pub struct Life {
    pub(crate) pid: u32,
    /// Weak, so that a handle that is kept does not keep the child alive when its keeper goes.
    pub(crate) root: Weak<Root>,
    pub(crate) containment: Containment,
    pub(crate) stops: Arc<watch::Sender<Stops>>,
    pub(crate) news: watch::Receiver<News>,
    pub(crate) stderr: StderrTail,
}

/// Requests to stop a child.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    /// Each call goes one rung further.
    pub(crate) calls: usize,
    /// The first caller's.
    pub(crate) ladder: Option<Ladder>,
}

/// What is known of a child's end.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) exit: Option<Exit>,
    pub(crate) end: Option<(Receipt, Instant)>,
}

impl Life {
    /// The child's pid, which is also its group and its session. May be another process's once it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What holds its processes together: whether it got the control group it was to have.
    #[must_use]
    pub fn containment(&self) -> Containment {
        self.containment
    }

    /// Waits until the child itself has exited. Cancel-safe; any number may wait. What it left behind is killed
    /// right afterwards: [`ended`](Self::ended) waits for that too.
    pub async fn exited(&self) -> Exit {
        let mut news = self.news.clone();
        let exit = news.wait_for(|news| news.exit.is_some()).await.ok().and_then(|news| news.exit);
        exit.unwrap_or(Exit { code: None, signal: None })
    }

    /// How the child exited, if it has.
    #[must_use]
    pub fn try_exited(&self) -> Option<Exit> {
        self.news.borrow().exit
    }

    /// The last 64 KiB of stderr as text, from the start of a line on if something was cut off. Complete once
    /// [`ended`](Self::ended) has returned.
    #[must_use]
    pub fn stderr_tail(&self) -> String {
        self.stderr.text()
    }

    /// What the child and its descendants use now.
    ///
    /// # Errors
    /// When the child has ended, or the process table cannot be read.
    pub async fn vitals(&self) -> io::Result<Vitals> {
        let root = self.root.upgrade().ok_or_else(has_ended)?;
        let vitals = tokio::task::spawn_blocking(move || root.vitals()).await;
        vitals.map_err(io::Error::other)??.ok_or_else(has_ended)
    }

    /// Ends the child and its whole tree by climbing `ladder`, and returns the account of it. A second call,
    /// while the first is at work, goes on to the next rung at once; both get the same receipt. After the end it
    /// returns the receipt of that end. Dropping the future does not take the request back.
    pub async fn stop(&self, ladder: Ladder) -> Receipt {
        self.stops.send_modify(|stops| {
            stops.calls += 1;
            stops.ladder.get_or_insert(ladder);
        });
        self.ended().await
    }

    /// Waits until the child has exited, what it left behind is killed, and its stderr is read to the end,
    /// without asking it to stop. Cancel-safe; any number may wait.
    pub async fn ended(&self) -> Receipt {
        self.end().await.0
    }

    /// Returns [`DRAIN_LIMIT`] after [`ended`](Self::ended). Who reads the child's stdout gives up then: a process
    /// out of reach may hold the pipe open, and the end of file never comes. Cancel-safe.
    pub async fn drain_deadline(&self) {
        let (_, at) = self.end().await;
        tokio::time::sleep_until(at + DRAIN_LIMIT).await;
    }

    async fn end(&self) -> (Receipt, Instant) {
        let mut news = self.news.clone();
        let end = news.wait_for(|news| news.end.is_some()).await.ok().and_then(|news| news.end.clone());
        // Only a runtime that shuts down ends the keeper early; the tree is killed then, but nobody writes it up.
        end.unwrap_or_else(|| (Receipt::unwritten(), Instant::now()))
    }
}

fn has_ended() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the child has ended, so it uses nothing")
}

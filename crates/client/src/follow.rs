//! A task's events, over as many connections as it takes.

use std::time::Duration;

use domain::TaskId;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::error::ClientError;
use crate::event::Event;
use crate::retry::Failures;
use crate::socket::{Cut, Socket};

/// A connection that held for so long was a good one: its loss begins a new row of failures.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

/// What a follower tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed {
    /// The next event.
    Event(Event),
    /// The connection was lost, and why. Told once; the follower connects again by itself.
    Lost(String),
}

/// Reads a task's events in order, each once. See [`Client::follow`].
pub struct Follower<'a> {
    client: &'a Client,
    task: TaskId,
    cursor: u64,
    /// The connection, and since when it is open.
    socket: Option<(Socket, Instant)>,
    failures: Failures,
    /// How long to wait before the next connection.
    pause: Option<Duration>,
    has_ended: bool,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(client: &'a Client, task: TaskId, after: u64) -> Self {
        let failures = Failures::new();
        Self { client, task, cursor: after, socket: None, failures, pause: None, has_ended: false }
    }

    /// The number of the last event that was told.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// What comes next; `None` after the task's last event, also when it came before the cursor. Cancel-safe.
    ///
    /// # Errors
    /// When the server refuses, or cannot be had for longer than the client's patience.
    pub async fn next(&mut self) -> Result<Option<Followed>, ClientError> {
        while !self.has_ended {
            let cut = match self.read().await {
                Ok(Some(event)) => {
                    self.failures.end();
                    return Ok(Some(Followed::Event(event)));
                }
                Ok(None) => continue,
                Err(cut) => cut,
            };
            if self.socket.take().is_some_and(|(_, opened)| opened.elapsed() >= GOOD_CONNECTION) {
                self.failures.end();
            }
            let is_first = self.failures.is_new();
            let reason = self.lost(cut)?;
            if is_first {
                return Ok(Some(Followed::Lost(reason)));
            }
        }
        Ok(None)
    }

    /// One text of the stream, if it is an event that is new.
    async fn read(&mut self) -> Result<Option<Event>, Cut> {
        if let Some(pause) = self.pause {
            sleep(pause).await;
            self.pause = None;
        }
        let (socket, _) = match &mut self.socket {
            Some(open) => open,
            None => {
                let socket = self.client.open_stream(&self.task, self.cursor).await?;
                self.socket.insert((socket, Instant::now()))
            }
        };
        let Some(text) = socket.next().await? else {
            self.has_ended = true;
            return Ok(None);
        };
        let event = Event::read(&text).map_err(|source| Cut::Refused(self.client.malformed(source)))?;
        match event.seq() {
            // One that is in no log, such as the server's word that it does not know the task: the close says that too.
            None => Ok(None),
            Some(seq) if seq <= self.cursor => Ok(None),
            Some(seq) if seq == self.cursor + 1 => {
                self.cursor = seq;
                self.has_ended = event.ends_the_task();
                Ok(Some(event))
            }
            Some(seq) => Err(Cut::Told(format!("event {seq} came after event {}", self.cursor))),
        }
    }

    /// Says why the connection ended, if another one is to be tried.
    fn lost(&mut self, cut: Cut) -> Result<String, ClientError> {
        let reason = match cut {
            Cut::Refused(error) => return Err(error),
            Cut::Connection(error) if !self.client.has_met_server() => {
                return Err(self.client.unreachable(error.into()));
            }
            Cut::Connection(error) => error.to_string(),
            Cut::Told(reason) => reason,
            Cut::Busy(status) => format!("the server answered {status}"),
            Cut::Silent if !self.client.has_met_server() => return Err(self.client.silent()),
            Cut::Silent => self.client.silent().to_string(),
        };
        match self.failures.another(None, self.client.patience()) {
            Ok(pause) => {
                self.pause = Some(pause);
                Ok(reason)
            }
            Err(lasted) => Err(self.client.lost(lasted, reason)),
        }
    }
}

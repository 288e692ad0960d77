//! A reader of one task's events, over as many connections as it takes, who looks whether it gets each once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::caller::Callers;
use crate::tally::Fault;

/// A task of which nothing is heard for so long is stuck.
const SILENCE: Duration = Duration::from_secs(120);
/// Before the next connection.
const AGAIN_AFTER: Duration = Duration::from_millis(25);
/// How the normal end of a stream is called, and that of a server that stops.
const NORMAL: u16 = 1000;
const RESTART: u16 = 1012;
/// Digits of the time at which the stub agent wrote an event, in nanoseconds since 1970.
const STAMP: usize = 19;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a reader does besides reading.
#[derive(Debug, Clone)]
pub(crate) enum Habit {
    /// Stays.
    Stays,
    /// Stays, and measures how long events take that say when they were written.
    Measures,
    /// Leaves after some events, and comes back a moment later.
    ComesAndGoes(Rng),
}

/// How a task ended, as its last event says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) status: String,
    pub(crate) summary: Option<String>,
    #[serde(default)]
    pub(crate) errors: Vec<String>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    seq: Option<u64>,
    data: Value,
}

/// Why a connection has ended.
enum Left {
    /// The task is over, and so is its stream.
    Ended,
    /// By itself, or because the server went.
    ToComeBack,
    /// There is no use in coming back.
    ForGood,
}

/// Reads one task.
pub(crate) struct Reader<'a> {
    callers: &'a Callers,
    task: &'a str,
    habit: Habit,
    last: u64,
    outcome: Option<Outcome>,
    /// When the connection was made, in nanoseconds since 1970: what was written earlier comes late for good reason.
    connected: u64,
}

fn wall_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// When an event was written, if its text says so.
fn written_at(event: &Value) -> Option<u64> {
    event["content"].as_str()?.get(..STAMP)?.parse().ok()
}

impl<'a> Reader<'a> {
    pub(crate) fn new(callers: &'a Callers, task: &'a str, habit: Habit) -> Self {
        Self { callers, task, habit, last: 0, outcome: None, connected: 0 }
    }

    /// Reads to the end; `None` when it cannot be reached, which is a fault.
    pub(crate) async fn outcome(mut self) -> Option<Outcome> {
        loop {
            match self.connection().await {
                Left::Ended => return self.outcome,
                Left::ForGood => return None,
                Left::ToComeBack if self.outcome.is_some() => return self.outcome,
                Left::ToComeBack => sleep(AGAIN_AFTER).await,
            }
        }
    }

    async fn connection(&mut self) -> Left {
        let lives = &self.callers.lives;
        let life = lives.up().await.number;
        let url = format!("ws://{}/ws/tasks/{}?after={}", lives.address(), self.task, self.last);
        let mut socket = match connect_async(&url).await {
            Ok((socket, _)) => socket,
            Err(error) => {
                self.cut(life, &format!("could not connect: {error}"));
                return Left::ToComeBack;
            }
        };
        self.connected = wall_clock();
        self.callers.tally.count(|counts| counts.connections += 1);
        let patience = match &mut self.habit {
            Habit::ComesAndGoes(chance) => chance.u64(1..400),
            Habit::Stays | Habit::Measures => u64::MAX,
        };
        self.read(&mut socket, life, patience).await
    }

    async fn read(&mut self, socket: &mut Socket, life: u32, mut patience: u64) -> Left {
        while patience > 0 {
            let Ok(message) = timeout(SILENCE, socket.next()).await else {
                return self.silence(life).await;
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    if !self.take(&text) {
                        return Left::ForGood;
                    }
                    patience -= 1;
                }
                Some(Ok(Message::Close(frame))) => {
                    return self.closed(life, frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    self.cut(life, &format!("connection lost: {error}"));
                    return Left::ToComeBack;
                }
                None => {
                    self.cut(life, "connection ended without a close");
                    return Left::ToComeBack;
                }
            }
        }
        self.callers.tally.count(|counts| counts.readers_came_back += 1);
        Left::ToComeBack
    }

    /// Looks at an event; false when there is no use in reading on.
    fn take(&mut self, text: &str) -> bool {
        let now = wall_clock();
        let tally = &self.callers.tally;
        let event = match serde_json::from_str::<Event>(text) {
            Ok(event) => event,
            Err(error) => {
                tally.fault(Fault::UnexpectedAnswer, 1, format!("{}: no event: {error}: {text}", self.task));
                return false;
            }
        };
        let Some(seq) = event.seq else {
            tally.fault(Fault::LostTask, 1, format!("{} after event {}: {text}", self.task, self.last));
            return false;
        };
        let next = self.last + 1;
        if seq < next || self.outcome.is_some() {
            tally.fault(Fault::DoubledEvent, 1, format!("{}: {seq} after {}: {text}", self.task, self.last));
        } else if seq > next {
            let what = format!("{}: {seq} after {}: {text}", self.task, self.last);
            tally.fault(Fault::MissedEvent, seq - next, what);
        }
        self.last = self.last.max(seq);
        tally.count(|counts| counts.events_read += 1);
        let is_measured = matches!(self.habit, Habit::Measures);
        let written = written_at(&event.data).filter(|written| is_measured && *written >= self.connected);
        let took = written.map(|written| Duration::from_nanos(now.saturating_sub(written)));
        self.callers.meter.event(took);
        if event.kind == "complete" {
            self.outcome = self.read_outcome(event.data);
            return self.outcome.is_some();
        }
        true
    }

    fn read_outcome(&self, data: Value) -> Option<Outcome> {
        let outcome = serde_json::from_value(data);
        if let Err(error) = &outcome {
            self.callers.tally.fault(
                Fault::UnexpectedAnswer,
                1,
                format!("{}: no outcome: {error}", self.task),
            );
        }
        outcome.ok()
    }

    fn closed(&self, life: u32, code: Option<u16>) -> Left {
        match code {
            Some(NORMAL) if self.outcome.is_some() => Left::Ended,
            Some(RESTART) if !self.callers.lives.goes_on(life) => Left::ToComeBack,
            code => {
                self.cut(life, &format!("closed with {code:?}"));
                Left::ToComeBack
            }
        }
    }

    /// A connection has ended; that is a fault unless the server was ended.
    fn cut(&self, life: u32, how: &str) {
        if self.callers.lives.goes_on(life) {
            let what = format!("{} after event {}: {how}", self.task, self.last);
            self.callers.tally.fault(Fault::CutConnection, 1, what);
        }
    }

    async fn silence(&self, life: u32) -> Left {
        // A kill cannot be heard of where the connection is not told.
        if !self.callers.lives.goes_on(life) {
            return Left::ToComeBack;
        }
        let task = self.callers.ask("GET", &format!("/api/v1/tasks/{}", self.task), &json!({})).await;
        let what = format!("{} after event {}: {} {}", self.task, self.last, task.status, task.body);
        self.callers.tally.fault(Fault::StuckTask, 1, what);
        Left::ForGood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_says_when_it_was_written_is_understood() {
        let at = |content: &str| written_at(&json!({"content": content}));
        assert_eq!(at("1796000000000000001 0000000007 xxx"), Some(1_796_000_000_000_000_001));
        assert_eq!((at("0000000007 xxxxxxxxxxxx"), at("short"), at("")), (None, None, None));
    }
}

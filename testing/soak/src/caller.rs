//! Callers who do not give up: they ask again until they have an answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::lives::{Life, Lives};
use crate::meter::Meter;
use crate::tally::{Fault, Tally};

/// Before a request is made again.
const AGAIN_AFTER: Duration = Duration::from_millis(25);
/// Tasks that callers wait for at the same time, at most.
const MOST_OPEN: usize = 1_000;

/// What all callers share.
pub(crate) struct Callers {
    pub(crate) lives: Lives,
    pub(crate) tally: Tally,
    pub(crate) meter: Meter,
    /// The workspace of all tasks.
    pub(crate) workspace: PathBuf,
    /// Those at work.
    pub(crate) at_work: TaskTracker,
    /// Room for those who open one task after the other without waiting for any.
    pub(crate) room: Arc<Semaphore>,
    is_over: watch::Sender<bool>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// How long it took; `None` when the request had to be made more than once.
    pub(crate) took: Option<Duration>,
}

impl Callers {
    pub(crate) fn new(lives: Lives, start: Instant, workspace: PathBuf) -> Self {
        Self {
            lives,
            tally: Tally::new(start),
            meter: Meter::default(),
            workspace,
            at_work: TaskTracker::new(),
            room: Arc::new(Semaphore::new(MOST_OPEN)),
            is_over: watch::Sender::new(false),
        }
    }

    /// Tells all callers to begin nothing new.
    pub(crate) fn finish(&self) {
        self.is_over.send_replace(true);
        self.at_work.close();
    }

    /// Waits so long; false once nothing new is to be begun.
    pub(crate) async fn pause(&self, time: Duration) -> bool {
        let mut is_over = self.is_over.subscribe();
        tokio::select! {
            () = sleep(time) => !*self.is_over.borrow(),
            _ = is_over.wait_for(|is_over| *is_over) => false,
        }
    }

    /// Makes a request until it is answered.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let mut tries = 0;
        loop {
            tries += 1;
            let life = self.lives.up().await;
            let start = Instant::now();
            match self.ask_once(&life, method, path, body).await {
                // A server that is being ended may say so.
                Ok((503, _)) if !self.lives.goes_on(life.number) => {}
                Ok((status, body)) => {
                    let took = (tries == 1).then(|| start.elapsed());
                    return Answer { status, body, took };
                }
                Err(error) if self.lives.goes_on(life.number) => {
                    let what = format!("{method} {path}: {error:?}, after {:?}", start.elapsed());
                    self.tally.fault(Fault::CutConnection, 1, what);
                }
                Err(_) => self.tally.count(|counts| counts.repeated_requests += 1),
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn ask_once(
        &self,
        life: &Life,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value), reqwest::Error> {
        let url = format!("http://{}{path}", self.lives.address());
        let request = match method {
            "GET" => life.http.get(url),
            "DELETE" => life.http.delete(url),
            _ => life.http.post(url).json(body),
        };
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Submits a task until it is admitted; gives the number of the life it was first sent to. `None` when it was refused for
    /// another reason than want of room, which is a fault.
    pub(crate) async fn submit(&self, body: &Value) -> Option<u32> {
        let sent = self.lives.up().await.number;
        loop {
            let answer = self.ask("POST", "/api/v1/tasks", body).await;
            match answer.status {
                200 => {
                    answer.took.into_iter().for_each(|time| self.meter.submission(time));
                    self.tally.count(|counts| counts.tasks += 1);
                    return Some(sent);
                }
                429 | 503 => self.tally.count(|counts| counts.refused_for_room += 1),
                status => {
                    let what = format!("a submission: {status} {}; {body}", answer.body);
                    self.tally.fault(Fault::UnexpectedAnswer, 1, what);
                    return None;
                }
            }
            sleep(4 * AGAIN_AFTER).await;
        }
    }

    /// Interrupts a task.
    pub(crate) async fn interrupt(&self, task: &str) {
        let answer = self.ask("POST", &format!("/api/v1/tasks/{task}/interrupt"), &json!({})).await;
        // It may have ended with its server, or by an interrupt whose answer was lost.
        if !matches!(answer.status, 200 | 409) {
            let what = format!("interrupt of {task}: {} {}", answer.status, answer.body);
            self.tally.fault(Fault::UnexpectedAnswer, 1, what);
        }
    }

    /// Deletes a session.
    pub(crate) async fn delete_session(&self, session: &str) {
        let answer = self.ask("DELETE", &format!("/api/v1/sessions/{session}?force=true"), &json!({})).await;
        match answer.status {
            200 => self.tally.count(|counts| counts.deleted_sessions += 1),
            // The answer to the first try was lost.
            404 if answer.took.is_none() => {}
            status => {
                let what = format!("deletion of {session}: {status} {}", answer.body);
                self.tally.fault(Fault::UnexpectedAnswer, 1, what);
            }
        }
    }
}

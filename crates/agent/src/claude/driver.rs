//! One running CLI: a task that reads its output, a task that writes its input, and the handle that commands it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use claude_protocol::{
    ControlRefusal, HostRequest, Initialize, Prompt, StreamEvent, control_cancel, control_request,
    user_prompt,
};
use domain::ConversationId;
use process::{Child, Ladder, Life};
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::phase::{Change, Follower, Phase};
use super::questions::{Questions, register};
use super::reader::Reader;
use super::requests::Requests;
use super::transcript::Transcript;
use super::translate::Translator;
use super::writers::Writing;
use crate::channel::Group;
use crate::{Agent, AgentGone, Events, Host, ModelEndpoint, StopReceipt, Urgency, Vitals, event_channel};

/// Lines that wait to be written. The CLI reads its input at all times, so more means that it hangs.
const INPUT_QUEUE: usize = 64;
/// The SDKs wait this long for the answer to a control request.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Pieces of answers that a slow reader may be behind.
const PIECES: usize = 1024;
/// No other request has this id.
pub(super) const INITIALIZE_ID: &str = "initialize";

pub(super) const ORDERLY: Ladder =
    Ladder { exit_grace: Duration::from_secs(3), term_grace: Duration::from_secs(3) };
pub(super) const NOW: Ladder = Ladder { exit_grace: Duration::ZERO, term_grace: Duration::from_millis(350) };

const AT_ONCE: Ladder = Ladder { exit_grace: Duration::ZERO, term_grace: Duration::ZERO };

/// Why a control request was not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The CLI said no.
    #[error("the agent refused: {0}")]
    Refused(ControlRefusal),
    /// It did not answer in time. The request was withdrawn; the agent may hang.
    #[error("the agent did not answer within {} seconds", .0.as_secs())]
    NoAnswer(Duration),
    /// It ended before it answered.
    #[error("the agent no longer takes input")]
    Gone,
}

/// What the handle and the reader of one CLI have in common.
pub(super) struct Shared {
    pub(super) requests: Requests,
    follower: Mutex<Follower>,
    phase: watch::Sender<Phase>,
    pieces: broadcast::Sender<Arc<StreamEvent>>,
    born: Instant,
    /// When something was last heard, in milliseconds since then.
    heard_ms: AtomicU64,
}

impl Shared {
    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The CLI said something.
    pub(super) fn heard(&self) {
        self.heard_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    fn has_open_prompt(&self) -> bool {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner).has_open_prompt()
    }

    /// Tells those who want to know, if there are any.
    pub(super) fn piece(&self, piece: StreamEvent) {
        if self.pieces.receiver_count() > 0 {
            // Whoever listened may have stopped meanwhile.
            self.pieces.send(Arc::new(piece)).ok();
        }
    }

    pub(super) fn follow(&self, change: Change) {
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        let now = follower.follow(change);
        self.phase.send_if_modified(|phase| std::mem::replace(phase, now) != now);
    }
}

/// What one CLI is run with.
pub(super) struct Opened {
    pub(super) host: Host,
    pub(super) initialize: Initialize,
    /// Where the CLI keeps the conversation.
    pub(super) transcript: Transcript,
    /// The right to write it.
    pub(super) writing: Writing,
    /// Its way to the model API; closed when its output has ended.
    pub(super) endpoint: Option<Box<dyn ModelEndpoint>>,
}

/// The handle on one running CLI. Dropping it kills the CLI with everything it started.
pub struct ClaudeAgent {
    /// `None` once the input is closed.
    input: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    life: Life,
    shared: Arc<Shared>,
    transcript: Transcript,
    /// Given back when the last process is gone.
    writing: Mutex<Option<Writing>>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl ClaudeAgent {
    /// Takes charge of a child that was just started, and opens the conversation.
    pub(super) fn start(child: Child, opened: Opened) -> (Self, Events) {
        let Child { stdin, stdout, life, .. } = child;
        let Opened { host, mut initialize, transcript, writing, endpoint } = opened;
        register(&host, &mut initialize);
        let (input, lines) = mpsc::channel(INPUT_QUEUE);
        let (events, receiver) = event_channel();
        let shared = Arc::new(Shared {
            requests: Requests::new(),
            follower: Mutex::default(),
            phase: watch::Sender::new(Phase::Starting),
            pieces: broadcast::Sender::new(PIECES),
            born: Instant::now(),
            heard_ms: AtomicU64::new(0),
        });
        // The queue is empty, so there is a place.
        let request = HostRequest::Initialize(Box::new(initialize));
        if input.try_send(control_request(INITIALIZE_ID, &request)).is_err() {
            tracing::error!("the agent's input is closed before it was used");
        }
        let questions = Questions::new(host, input.downgrade());
        let reader = Reader {
            life: life.clone(),
            events,
            gathered: Group::default(),
            input: input.downgrade(),
            questions,
            shared: Arc::clone(&shared),
            translator: Translator::default(),
            endpoint,
            ready: false,
        };
        let reader = tokio::spawn(reader.run(stdout));
        let writer = tokio::spawn(write_input(stdin, lines));
        let input = Mutex::new(Some(input));
        (
            Self { input, life, shared, transcript, writing: Mutex::new(Some(writing)), reader, writer },
            receiver,
        )
    }

    /// Sends a message: a new turn's prompt, or one into the running turn.
    ///
    /// # Errors
    /// When the agent no longer takes input.
    pub fn send(&self, prompt: &Prompt) -> Result<(), AgentGone> {
        // Known before the CLI can answer it.
        self.shared.follow(Change::Prompted(prompt.uuid));
        self.write(user_prompt(prompt)).inspect_err(|_| self.shared.follow(Change::Done(prompt.uuid)))
    }

    /// Asks the CLI for something, and waits for its answer for at most a minute. The answer stands in its output behind
    /// what it said before: take events meanwhile, or it may not be reached.
    ///
    /// # Errors
    /// When it refuses, does not answer or is gone.
    pub async fn request(&self, request: &HostRequest) -> Result<Option<Box<RawValue>>, RequestError> {
        self.request_within(request, ANSWER_WITHIN).await
    }

    /// As [`Self::request`], for at most `limit`.
    ///
    /// # Errors
    /// When it refuses, does not answer or is gone.
    pub async fn request_within(
        &self,
        request: &HostRequest,
        limit: Duration,
    ) -> Result<Option<Box<RawValue>>, RequestError> {
        let id = self.shared.requests.id();
        let answer = self.shared.requests.expect(&id).ok_or(RequestError::Gone)?;
        if self.write(control_request(&id, request)).is_err() {
            self.shared.requests.forget(&id);
            return Err(RequestError::Gone);
        }
        match timeout(limit, answer).await {
            Ok(Ok(outcome)) => outcome.map_err(RequestError::Refused),
            Ok(Err(_)) => Err(RequestError::Gone),
            Err(_) => {
                self.shared.requests.forget(&id);
                // Who no longer reads does not have to be told.
                self.write(control_cancel(&id)).ok();
                Err(RequestError::NoAnswer(limit))
            }
        }
    }

    /// The pieces of answers that are being written, from now on; needs `partial_messages`. A reader that is slow misses
    /// the oldest: each is said again by the finished block, which comes as an event.
    pub fn pieces(&self) -> broadcast::Receiver<Arc<StreamEvent>> {
        self.shared.pieces.subscribe()
    }

    /// What it is doing, now and from now on.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.shared.phase.subscribe()
    }

    /// The conversation that it writes.
    pub fn conversation(&self) -> ConversationId {
        self.transcript.conversation()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.life.pid()
    }

    /// Never waits: a CLI that leaves this many lines unread hangs.
    fn write(&self, line: Vec<u8>) -> Result<(), AgentGone> {
        let sender = self.input.lock().ok().and_then(|input| input.clone()).ok_or(AgentGone)?;
        sender.try_send(line).map_err(|_| AgentGone)
    }

    fn take_writing(&self) -> Option<Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn close_input(&self) {
        if let Ok(mut input) = self.input.lock() {
            input.take();
        }
    }
}

#[async_trait]
impl Agent for ClaudeAgent {
    async fn prompt(&self, id: Uuid, text: &str) -> Result<(), AgentGone> {
        self.send(&Prompt::text(id, text))
    }

    async fn interrupt(&self) -> Result<(), AgentGone> {
        let id = self.shared.requests.id();
        self.write(control_request(&id, &HostRequest::Interrupt { cancel_queued: true }))
    }

    async fn has_conversation(&self) -> bool {
        self.transcript.exists().await
    }

    async fn vitals(&self) -> std::io::Result<Vitals> {
        self.life.vitals().await
    }

    fn silent_for(&self) -> Duration {
        let heard = self.shared.heard_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.shared.age_ms().saturating_sub(heard))
    }

    async fn stop(&self, urgency: Urgency) -> StopReceipt {
        // Closed input alone does not end a turn: the CLI would finish it (protocol section 1, rule 10).
        let interrupted =
            urgency == Urgency::Orderly && self.shared.has_open_prompt() && self.interrupt().await.is_ok();
        self.shared.follow(Change::Stopping);
        self.close_input();
        let receipt = match urgency {
            Urgency::Orderly => self.life.stop(ORDERLY).await,
            Urgency::Now => self.life.stop(NOW).await,
        };
        drop(self.take_writing());
        StopReceipt {
            interrupted,
            rungs: receipt.rungs,
            took: receipt.took,
            processes_killed: receipt.processes_killed,
            processes_left: receipt.processes_left,
        }
    }
}

impl Drop for ClaudeAgent {
    fn drop(&mut self) {
        // The reader holds the child's life too; without it, this handle's is the last.
        self.reader.abort();
        self.writer.abort();
        self.shared.requests.close();
        self.shared.follow(Change::Ended);
        // Nobody may write the conversation before its last writer is gone.
        if let (Some(writing), Ok(runtime)) = (self.take_writing(), Handle::try_current()) {
            let life = self.life.clone();
            runtime.spawn(async move {
                life.stop(AT_ONCE).await;
                drop(writing);
            });
        }
    }
}

async fn write_input(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if let Err(error) = stdin.write_all(&line).await {
            tracing::debug!(%error, "the agent closed its input");
            return;
        }
    }
}

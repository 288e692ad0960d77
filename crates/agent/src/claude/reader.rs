//! Reads a CLI's output to its end, whatever its owner and its questions' answerers do.

use std::sync::Arc;
use std::time::Duration;

use claude_protocol::{ControlReply, Line, LineSplitter};
use process::Life;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::driver::{INITIALIZE_ID, NOW, Shared};
use super::phase::Change;
use super::questions::Questions;
use super::translate::{Output, Translator};
use crate::channel::Group;
use crate::{AgentEvent, EventSender, Exit, ModelEndpoint, TurnEnd};

const READ_BYTES: usize = 64 * 1024;
/// More than a pipe holds unless root says otherwise.
const MOST_IN_A_PIPE: usize = 1024 * 1024;
/// The CLI answers `initialize` within 0.4 s alone and 4 s among eight on two cores.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// After the output has ended, the process gets this long to follow.
const EXIT_AFTER_OUTPUT: Duration = Duration::from_secs(5);

/// What the CLI says when there is nothing to resume (protocol, section 11.2).
const CONVERSATION_LOST: &str = "No conversation found with session ID";

pub(super) struct Reader {
    pub(super) life: Life,
    pub(super) events: EventSender,
    /// What was made of the bytes that were read last, and not sent yet.
    pub(super) gathered: Group,
    /// Weak, so that the input closes when the handle lets go of it.
    pub(super) input: mpsc::WeakSender<Vec<u8>>,
    pub(super) questions: Questions,
    pub(super) shared: Arc<Shared>,
    pub(super) translator: Translator,
    pub(super) endpoint: Option<Box<dyn ModelEndpoint>>,
    pub(super) ready: bool,
}

impl Reader {
    pub(super) async fn run(mut self, mut stdout: impl AsyncRead + Unpin) {
        self.read(&mut stdout).await;
        self.shared.requests.close();
        self.report_exit().await;
        self.shared.follow(Change::Ended);
    }

    /// Reads until the output ends, or the process has ended and its pipe is held open by somebody else.
    async fn read(&mut self, stdout: &mut (impl AsyncRead + Unpin)) {
        let mut splitter = LineSplitter::default();
        let ready_by = sleep_until(Instant::now() + READY_WITHIN);
        let life = self.life.clone();
        let held_open = life.drain_deadline();
        tokio::pin!(ready_by, held_open);
        let mut late = false;
        loop {
            self.flush().await;
            splitter.buffer().reserve(READ_BYTES);
            tokio::select! {
                // Time limits first: an output that never pauses must not hide them.
                biased;
                () = &mut held_open => {
                    // Or the owner was slow to take events, and all of it is there.
                    if !self.read_rest(stdout, &mut splitter).await {
                        tracing::warn!("a process that the agent left behind holds its output open");
                    }
                    break;
                }
                () = &mut ready_by, if !self.ready && !late => {
                    late = true;
                    let reason = format!("the agent was not ready within {} seconds", READY_WITHIN.as_secs());
                    self.send(AgentEvent::Unusable(reason), 0).await;
                }
                failure = self.questions.answered() => self.after_answer(failure).await,
                read = stdout.read_buf(splitter.buffer()) => match read {
                    Ok(0) => break,
                    Ok(_) => {
                        self.shared.heard();
                        while let Some(line) = splitter.next_line() {
                            self.handle(line).await;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the agent's output could not be read");
                        break;
                    }
                },
            }
        }
        if let Some(line) = splitter.finish() {
            self.handle(line).await;
        }
        self.flush().await;
    }

    /// Reads what is in the pipe without waiting for more. Gives whether that was the end.
    async fn read_rest(
        &mut self,
        stdout: &mut (impl AsyncRead + Unpin),
        splitter: &mut LineSplitter,
    ) -> bool {
        let mut left = MOST_IN_A_PIPE;
        while left > 0 {
            splitter.buffer().reserve(READ_BYTES);
            match timeout(Duration::ZERO, stdout.read_buf(splitter.buffer())).await {
                Ok(Ok(bytes)) if bytes > 0 => left = left.saturating_sub(bytes),
                Ok(_) => return true,
                Err(_) => return false,
            }
            while let Some(line) = splitter.next_line() {
                self.handle(line).await;
            }
            self.flush().await;
        }
        false
    }

    async fn handle(&mut self, line: Line) {
        let mut bytes = line.len();
        let mut outputs = self.translator.line(line);
        for output in outputs.drain(..) {
            match output {
                Output::Event(event) => {
                    self.follow(&event);
                    if let AgentEvent::TurnEnded(end) = &event {
                        self.tell_limit(end).await;
                    }
                    self.send(event, std::mem::take(&mut bytes)).await;
                }
                Output::Question { request_id, request } => {
                    if let Some(asked) = self.questions.refer(&request) {
                        self.send(AgentEvent::Asked(asked), std::mem::take(&mut bytes)).await;
                    }
                    let at_once = self.questions.ask(request_id, request);
                    self.after_answer(at_once).await;
                }
                Output::Withdrawn { request_id } => {
                    self.questions.withdraw(&request_id);
                    self.after_answer(None).await;
                }
                Output::Reply(reply) => self.reply(reply).await,
                // Nobody can have sent a prompt yet. Measured with eight CLIs at once: this always comes first.
                Output::Started if !self.ready => {
                    self.shared.follow(Change::TurnResumed);
                    self.send(AgentEvent::TurnResumed, std::mem::take(&mut bytes)).await;
                }
                Output::Started => {}
                Output::Partial(piece) => self.shared.piece(piece),
            }
        }
        self.translator.take_back(outputs);
    }

    /// The CLI does not say how long the API refuses requests; the endpoint has seen it.
    async fn tell_limit(&mut self, end: &TurnEnd) {
        let endpoint = self.endpoint.as_deref().filter(|_| end.api_error.is_some());
        let until = endpoint.and_then(|endpoint| endpoint.limited_until());
        if let Some(until) = until {
            self.send(AgentEvent::RateLimited { until }, 0).await;
        }
    }

    fn follow(&self, event: &AgentEvent) {
        match event {
            AgentEvent::Busy => self.shared.follow(Change::Busy),
            AgentEvent::Idle => self.shared.follow(Change::Idle),
            AgentEvent::PromptRefused(prompt) | AgentEvent::PromptCancelled(prompt) => {
                self.shared.follow(Change::Done(*prompt))
            }
            AgentEvent::TurnEnded(end) => {
                self.shared.follow(Change::TurnEnded);
                for prompt in &end.prompts {
                    self.shared.follow(Change::Done(*prompt));
                }
            }
            _ => {}
        }
    }

    async fn after_answer(&mut self, line: Option<Vec<u8>>) {
        self.shared.follow(Change::Questions(self.questions.open()));
        if let Some(line) = line {
            self.answer(line).await;
        }
    }

    async fn reply(&mut self, reply: ControlReply) {
        let Some(reply) = self.shared.requests.answer(reply) else { return };
        if reply.request_id.as_deref() != Some(INITIALIZE_ID) {
            return;
        }
        self.ready = true;
        match reply.outcome {
            Ok(_) => {
                self.shared.follow(Change::Ready);
                self.send(AgentEvent::Ready, 0).await
            }
            Err(reason) => {
                self.send(AgentEvent::Unusable(format!("the agent refused to start: {reason}")), 0).await
            }
        }
    }

    /// Never waits for the CLI: one that stopped reading must not stop us from reading it. It would wait for its
    /// answer for ever, so it is given up.
    async fn answer(&mut self, line: Vec<u8>) {
        let sent = self.input.upgrade().map(|input| input.try_send(line));
        if !matches!(sent, Some(Ok(()))) {
            self.send(AgentEvent::Unusable("the agent no longer reads its input".to_owned()), 0).await;
        }
    }

    /// `bytes` is the length of the line that the event came from. It goes with what else came of the same read.
    async fn send(&mut self, event: AgentEvent, bytes: usize) {
        self.gathered.push(event, bytes);
        if self.gathered.is_full() {
            self.flush().await;
        }
    }

    /// Sends what has gathered. When the owner has let go of the events, they are dropped: the output is read on all the
    /// same, or the agent would stand still.
    async fn flush(&mut self) {
        if !self.gathered.is_empty() {
            self.events.send_group(std::mem::take(&mut self.gathered)).await;
        }
    }

    async fn report_exit(&mut self) {
        if timeout(EXIT_AFTER_OUTPUT, self.life.exited()).await.is_err() {
            tracing::warn!("the agent closed its output and went on: stopping it");
            self.life.stop(NOW).await;
        }
        // What stderr held is complete once the whole tree has ended.
        self.life.ended().await;
        let exit = self.life.exited().await;
        let stderr_tail = self.life.stderr_tail();
        let conversation_lost = stderr_tail.contains(CONVERSATION_LOST);
        let exit = Exit { code: exit.code, signal: exit.signal, stderr_tail, conversation_lost };
        self.send(AgentEvent::Exited(exit), 0).await;
        self.flush().await;
    }
}

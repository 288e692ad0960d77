//! One running CLI: a task that reads its output, a task that writes its input, and the handle that commands it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use claude_protocol::{
    ControlReply, Line, LineSplitter, initialize, interrupt, permission_answer, unsupported_request,
    user_prompt,
};
use process::{Child, Ladder, Life};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::permissions::Permissions;
use super::transcript::Transcript;
use super::translate::{Output, Translator};
use crate::{Agent, AgentEvent, AgentGone, EventSender, Events, Exit, StopReceipt, Urgency, event_channel};

/// Lines that wait to be written. The CLI reads its input at all times, so more means that it hangs.
const INPUT_QUEUE: usize = 64;
const READ_BYTES: usize = 64 * 1024;
/// The CLI answers `initialize` within 0.4 s alone and 4 s among eight on two cores.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// After the output has ended, the process gets this long to follow.
const EXIT_AFTER_OUTPUT: Duration = Duration::from_secs(5);

/// What the CLI says when there is nothing to resume (protocol, section 11.2).
const CONVERSATION_LOST: &str = "No conversation found with session ID";

const INITIALIZE_ID: &str = "initialize";

const ORDERLY: Ladder = Ladder { exit_grace: Duration::from_secs(3), term_grace: Duration::from_secs(3) };
const NOW: Ladder = Ladder { exit_grace: Duration::ZERO, term_grace: Duration::from_millis(350) };

/// The handle on one running CLI. Dropping it kills the CLI with everything it started.
pub(super) struct ClaudeAgent {
    /// `None` once the input is closed.
    input: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    life: Life,
    transcript: Transcript,
    interrupts: AtomicU64,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl ClaudeAgent {
    /// Takes charge of a child that was just started, and opens the conversation.
    pub(super) fn start(child: Child, permissions: Permissions, transcript: Transcript) -> (Self, Events) {
        let Child { stdin, stdout, life, .. } = child;
        let (input, lines) = mpsc::channel(INPUT_QUEUE);
        let (events, receiver) = event_channel();
        let writer = tokio::spawn(write_input(stdin, lines));
        // The queue is empty, so there is a place.
        if input.try_send(initialize(INITIALIZE_ID)).is_err() {
            tracing::error!("the agent's input is closed before it was used");
        }
        let reader = Reader {
            life: life.clone(),
            events,
            input: input.downgrade(),
            permissions,
            translator: Translator::default(),
            ready: false,
        };
        let reader = tokio::spawn(reader.run(stdout));
        let input = Mutex::new(Some(input));
        (Self { input, life, transcript, interrupts: AtomicU64::new(0), reader, writer }, receiver)
    }

    /// Never waits: a CLI that leaves this many lines unread hangs.
    fn write(&self, line: Vec<u8>) -> Result<(), AgentGone> {
        let sender = self.input.lock().ok().and_then(|input| input.clone()).ok_or(AgentGone)?;
        sender.try_send(line).map_err(|_| AgentGone)
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
        self.write(user_prompt(id, text))
    }

    async fn interrupt(&self) -> Result<(), AgentGone> {
        let number = self.interrupts.fetch_add(1, Ordering::Relaxed);
        self.write(interrupt(&format!("interrupt-{number}")))
    }

    async fn has_conversation(&self) -> bool {
        self.transcript.exists().await
    }

    async fn stop(&self, urgency: Urgency) -> StopReceipt {
        self.close_input();
        let receipt = match urgency {
            Urgency::Orderly => self.life.stop(ORDERLY).await,
            Urgency::Now => self.life.stop(NOW).await,
        };
        StopReceipt {
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

/// The agent's owner has let go of its events.
struct NobodyListens;

struct Reader {
    life: Life,
    events: EventSender,
    /// Weak, so that the input closes when the handle lets go of it.
    input: mpsc::WeakSender<Vec<u8>>,
    permissions: Permissions,
    translator: Translator,
    ready: bool,
}

impl Reader {
    async fn run(mut self, mut stdout: impl AsyncRead + Unpin) {
        if matches!(self.read(&mut stdout).await, Ok(())) {
            self.report_exit().await;
        }
    }

    /// Reads until the output ends, or the process has ended and its pipe is held open by somebody else.
    async fn read(&mut self, stdout: &mut (impl AsyncRead + Unpin)) -> Result<(), NobodyListens> {
        let mut splitter = LineSplitter::default();
        let ready_by = sleep_until(Instant::now() + READY_WITHIN);
        let life = self.life.clone();
        let held_open = life.drain_deadline();
        tokio::pin!(ready_by, held_open);
        let mut late = false;
        loop {
            splitter.buffer().reserve(READ_BYTES);
            tokio::select! {
                // Time limits first: an output that never pauses must not hide them.
                biased;
                () = &mut held_open => {
                    tracing::warn!("a process that the agent left behind holds its output open");
                    break;
                }
                () = &mut ready_by, if !self.ready && !late => {
                    late = true;
                    let reason = format!("the agent was not ready within {} seconds", READY_WITHIN.as_secs());
                    self.send(AgentEvent::Unusable(reason), 0).await?;
                }
                read = stdout.read_buf(splitter.buffer()) => match read {
                    Ok(0) => break,
                    Ok(_) => while let Some(line) = splitter.next_line() {
                        self.handle(line).await?;
                    },
                    Err(error) => {
                        tracing::warn!(%error, "the agent's output could not be read");
                        break;
                    }
                },
            }
        }
        if let Some(line) = splitter.finish() {
            self.handle(line).await?;
        }
        Ok(())
    }

    async fn handle(&mut self, line: Line) -> Result<(), NobodyListens> {
        let mut bytes = line.len();
        for output in self.translator.line(line) {
            match output {
                Output::Event(event) => self.send(event, std::mem::take(&mut bytes)).await?,
                Output::Ask { request_id, ask } => {
                    self.answer(permission_answer(&request_id, &self.permissions.answer(&ask))).await?;
                }
                Output::Unsupported { request_id, subtype } => {
                    self.answer(unsupported_request(&request_id, &subtype)).await?;
                }
                Output::Reply(reply) => self.reply(reply).await?,
            }
        }
        Ok(())
    }

    async fn reply(&mut self, reply: ControlReply) -> Result<(), NobodyListens> {
        if reply.request_id.as_deref() != Some(INITIALIZE_ID) {
            return Ok(());
        }
        self.ready = true;
        match reply.outcome {
            Ok(_) => self.send(AgentEvent::Ready, 0).await,
            Err(reason) => {
                self.send(AgentEvent::Unusable(format!("the agent refused to start: {reason}")), 0).await
            }
        }
    }

    /// Never waits for the CLI: one that stopped reading must not stop us from reading it. It would wait for its
    /// answer for ever, so it is given up.
    async fn answer(&self, line: Vec<u8>) -> Result<(), NobodyListens> {
        let sent = self.input.upgrade().map(|input| input.try_send(line));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => self.send(AgentEvent::Unusable("the agent no longer reads its input".to_owned()), 0).await,
        }
    }

    /// `bytes` is the length of the line that the event came from.
    async fn send(&self, event: AgentEvent, bytes: usize) -> Result<(), NobodyListens> {
        if self.events.send(event, bytes).await { Ok(()) } else { Err(NobodyListens) }
    }

    async fn report_exit(&self) {
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
        // Nobody listens any more when the owner has let go: then there is nobody to tell.
        if self.send(AgentEvent::Exited(exit), 0).await.is_err() {
            tracing::debug!("the agent's end was not waited for");
        }
    }
}

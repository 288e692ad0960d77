//! What comes in: lines of stdin, read by a thread of its own so that an interrupt is seen in the middle of a turn.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Instant;

use serde_json::Value;

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// Its sender's name for it.
    pub(crate) uuid: Option<String>,
    /// What it says.
    pub(crate) text: String,
}

impl Prompt {
    /// Reads a `user` line; text blocks are put together.
    pub(crate) fn read(line: &Value) -> Option<Self> {
        let message = &line["message"];
        if message["role"] != "user" {
            return None;
        }
        let content = &message["content"];
        let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
        let blocks = blocks.iter().filter_map(|block| block["text"].as_str());
        let text = content.as_str().map_or_else(|| blocks.collect(), str::to_owned);
        Some(Self { uuid: line["uuid"].as_str().map(str::to_owned), text })
    }
}

/// The lines that have not been looked at yet.
pub(crate) struct Inbox {
    lines: Receiver<Vec<u8>>,
    closed: bool,
}

impl Inbox {
    /// Begins to read stdin.
    pub(crate) fn stdin() -> io::Result<Self> {
        let (sender, lines) = channel();
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut line = Vec::new();
            while stdin.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { lines, closed: false })
    }

    /// Whether nothing more will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next line if it is there.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.try_recv();
        self.closed |= line == Err(TryRecvError::Disconnected);
        line.ok()
    }

    /// Waits for the next line, but no longer than until then.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> Option<Vec<u8>> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let line = match left {
            // Whoever waits for an interrupt that cannot come any more waits until it is killed.
            None if self.closed => loop {
                std::thread::park();
            },
            Some(left) if self.closed => {
                std::thread::sleep(left);
                Err(RecvTimeoutError::Timeout)
            }
            None => self.lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(left) => self.lines.recv_timeout(left),
        };
        self.closed |= line == Err(RecvTimeoutError::Disconnected);
        line.ok()
    }
}

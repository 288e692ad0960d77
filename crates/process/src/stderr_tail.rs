//! The end of a child's stderr, read always so that the child never blocks on it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;

/// How much of the end of stderr is kept, in bytes.
pub const STDERR_TAIL_BYTES: usize = 64 * 1024;

/// What a pipe holds at once, so one read empties it.
const READ_BYTES: usize = 64 * 1024;

/// The last [`STDERR_TAIL_BYTES`] of a stream.
#[derive(Debug, Default)]
struct Ring {
    bytes: VecDeque<u8>,
    /// Something was dropped, so the first line may be half a line.
    cut: bool,
}

impl Ring {
    fn push(&mut self, chunk: &[u8]) {
        let kept = chunk.get(chunk.len().saturating_sub(STDERR_TAIL_BYTES)..).unwrap_or(chunk);
        let surplus = (self.bytes.len() + kept.len()).saturating_sub(STDERR_TAIL_BYTES);
        self.cut |= surplus > 0 || kept.len() < chunk.len();
        self.bytes.drain(..surplus);
        self.bytes.extend(kept);
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let line_start =
            if self.cut { bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1) } else { 0 };
        String::from_utf8_lossy(bytes.get(line_start..).unwrap_or_default()).into_owned()
    }
}

/// Shared handle on the tail.
#[derive(Debug, Clone, Default)]
pub(crate) struct StderrTail(Arc<Mutex<Ring>>);

impl StderrTail {
    /// Reads `stderr` to its end in a task of its own. The task ends at end of file.
    pub(crate) fn drain(&self, mut stderr: ChildStderr) -> JoinHandle<()> {
        let tail = self.clone();
        tokio::spawn(async move {
            let mut chunk = vec![0; READ_BYTES];
            while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
                tail.push(chunk.get(..count).unwrap_or_default());
            }
        })
    }

    fn push(&self, chunk: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(chunk);
    }

    /// What is kept, as text, from the start of a line on if there is one.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        let tail = StderrTail::default();
        tail.push(b"one\ntw");
        tail.push(b"o");
        assert_eq!(tail.text(), "one\ntwo");
    }

    #[test]
    fn long_output_is_cut_at_the_start_of_a_line() {
        let tail = StderrTail::default();
        let line = format!("{}\n", "x".repeat(99));
        for _ in 0..1000 {
            tail.push(line.as_bytes());
        }
        tail.push(b"end");
        assert_eq!(tail.text(), format!("{}end", line.repeat(655)));
    }

    #[test]
    fn one_endless_line_keeps_its_end() {
        let tail = StderrTail::default();
        tail.push(&vec![b'a'; 3 * STDERR_TAIL_BYTES]);
        tail.push(b"b");
        assert_eq!(tail.text(), format!("{}b", "a".repeat(STDERR_TAIL_BYTES - 1)));
    }

    #[test]
    fn broken_text_is_replaced_not_lost() {
        let tail = StderrTail::default();
        tail.push(b"a\xff\xc3");
        tail.push(b"\xbc");
        assert_eq!(tail.text(), "a\u{fffd}\u{fc}");
    }
}

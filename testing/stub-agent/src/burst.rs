//! Assistant messages at the speed of the pipe: their bytes are laid out once, and only numbers are written anew.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::output::{COUNTER, Output};

/// Digits of a message's number at the start of its text.
const NUMBER: usize = 10;
/// Digits of a time in nanoseconds.
const TIME: usize = 19;
/// Bytes that are written at once: more than a pipe holds, so that its reader never waits for the layout.
const BLOCK: usize = 256 * 1024;

/// Nanoseconds since 1970.
pub(crate) fn wall_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The line of an assistant message.
pub(crate) fn assistant_line(output: &mut Output, model: &str, content: &str) -> String {
    let (id, session, model) = (output.id(), output.session(), json!(model));
    format!(
        "{{\"type\":\"assistant\",\"message\":{{\"id\":\"msg_{id}\",\"type\":\"message\",\"role\":\"assistant\",\
         \"model\":{model},\"content\":[{content}],\"stop_reason\":null,\"stop_sequence\":null,\
         \"usage\":{{\"input_tokens\":10,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\
         \"output_tokens\":1}}}},\"parent_tool_use_id\":null,\"session_id\":\"{session}\",\"uuid\":\"{id}\"}}\n"
    )
}

/// A block of messages of the same length. They are the blocks of one answer, so they share its id.
pub(crate) struct Burst {
    block: Vec<u8>,
    line: usize,
    text_at: usize,
    uuid_at: usize,
    bytes: usize,
}

impl Burst {
    /// Lays out as many messages as fit into a block, but no more than `most`.
    pub(crate) fn new(output: &mut Output, model: &str, bytes: usize, most: u64) -> Self {
        let text = "x".repeat(bytes);
        let line = assistant_line(output, model, &format!("{{\"type\":\"text\",\"text\":\"{text}\"}}"));
        let text_at = line.find("\"text\":\"").map_or(0, |place| place + "\"text\":\"".len());
        let uuid_at = line.len() - "\"}\n".len() - COUNTER;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let lines = (BLOCK / line.len()).clamp(1, most.max(1));
        Self { block: line.repeat(lines).into_bytes(), line: line.len(), text_at, uuid_at, bytes }
    }

    /// Messages in a block.
    pub(crate) fn lines(&self) -> u64 {
        (self.block.len() / self.line) as u64
    }

    /// The next `count` messages of a block, the first of which is number `number` of its word.
    pub(crate) fn numbered(&mut self, output: &mut Output, number: u64, count: u64) -> &[u8] {
        let id = output.take_numbers(count);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for (line, nth) in self.block.chunks_exact_mut(self.line).take(count).zip(0_u64..) {
            hexadecimal(line, self.uuid_at, id + nth);
            if self.bytes > NUMBER {
                decimal(line, self.text_at, NUMBER, number + nth);
                line[self.text_at + NUMBER] = b' ';
            }
        }
        let end = self.line.saturating_mul(count).min(self.block.len());
        &self.block[..end]
    }

    /// One message that says when it is written, and its number.
    pub(crate) fn stamped(&mut self, output: &mut Output, number: u64) -> &[u8] {
        let id = output.take_numbers(1);
        let line = &mut self.block[..self.line];
        hexadecimal(line, self.uuid_at, id);
        decimal(line, self.text_at + TIME + 1, NUMBER, number);
        line[self.text_at + TIME] = b' ';
        line[self.text_at + TIME + 1 + NUMBER] = b' ';
        decimal(line, self.text_at, TIME, wall_clock());
        line
    }

    /// The least length of a text that says when it was written.
    pub(crate) const STAMPED: usize = TIME + 1 + NUMBER + 1;
}

fn decimal(line: &mut [u8], at: usize, digits: usize, mut number: u64) {
    for place in line[at..at + digits].iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

fn hexadecimal(line: &mut [u8], at: usize, mut number: u64) {
    for place in line[at..at + COUNTER].iter_mut().rev() {
        *place = b"0123456789abcdef"[usize::try_from(number % 16).unwrap_or_default()];
        number /= 16;
    }
}

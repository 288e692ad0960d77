//! Reads what a task says, and checks that all of it comes, once and in order.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use testing::FastStream;

/// Bytes of a text whose event is 512 bytes on the stub's stdout.
pub(crate) const TEXT_BYTES: usize = 72;
/// Digits of a text's number, and of the time at which it was written.
const NUMBER: usize = 10;
const TIME: usize = 19;

/// What was read of one task.
#[derive(Debug)]
pub(crate) struct Read {
    /// When its last event came.
    pub(crate) last: Instant,
    /// Texts.
    pub(crate) texts: u64,
    /// Milliseconds from the agent's write until here, of texts that say when they were written.
    pub(crate) took: Vec<f64>,
}

/// Checks the texts' numbers. Where a number is in an event is looked for once: from the event's end it is the same in all.
#[derive(Debug, Default)]
struct Texts {
    next: u64,
    /// Distance of the first digit from the event's end.
    from_end: Option<usize>,
}

impl Texts {
    /// Whether an event is the next text.
    fn take(&mut self, event: &[u8]) -> bool {
        let wanted = format!("{:0NUMBER$}", self.next);
        let at = |from_end: usize| {
            let start = event.len().checked_sub(from_end)?;
            event.get(start..start + NUMBER)
        };
        let is_next = match self.from_end {
            Some(from_end) => at(from_end) == Some(wanted.as_bytes()),
            None => {
                let found = event.windows(NUMBER + 1).position(|bytes| {
                    matches!(bytes.split_first(), Some((b'"' | b' ', number)) if number == wanted.as_bytes())
                });
                self.from_end = found.map(|place| event.len() - place - 1);
                found.is_some()
            }
        };
        self.next += u64::from(is_next);
        is_next
    }

    /// Milliseconds since the text was written whose number was just taken.
    fn took(&self, event: &[u8]) -> Option<f64> {
        let end = event.len().checked_sub(self.from_end? + 1)?;
        let digits = std::str::from_utf8(event.get(end.checked_sub(TIME)?..end)?).ok()?;
        let written: u64 = digits.parse().ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some((now as f64 - written as f64) / 1e6)
    }
}

/// Reads a task to its end. Fails unless it says just so many texts, each once and in order; the stream itself fails when an event is missing
/// or comes twice.
pub(crate) async fn read(stream: FastStream, texts: u64) -> Result<Read> {
    collect(stream, texts, false).await
}

/// The same of texts that say when they were written.
pub(crate) async fn read_stamped(stream: FastStream, texts: u64) -> Result<Read> {
    collect(stream, texts, true).await
}

async fn collect(mut stream: FastStream, texts: u64, is_stamped: bool) -> Result<Read> {
    let (mut seen, mut took) = (Texts::default(), Vec::new());
    let each = |event: &[u8]| {
        if seen.next < texts && seen.take(event) && is_stamped {
            took.extend(seen.took(event));
        }
    };
    let mut each = each;
    while stream.take(&mut each).await {}
    let last = Instant::now();
    ensure!(seen.next == texts, "{} of {texts} texts came, of {} events", seen.next, stream.last());
    ensure!(!is_stamped || took.len() as u64 == texts, "{} of {texts} texts say when", took.len());
    Ok(Read { last, texts, took })
}

/// Texts of several tasks or readers a second, from when they were asked for until everybody had the last: who reads late finds much in
/// the sockets, so when the first one was read says nothing.
pub(crate) fn rate(asked: Instant, reads: &[Read]) -> Result<f64> {
    let last = reads.iter().map(|read| read.last).max().context("nobody read")?;
    let texts: u64 = reads.iter().map(|read| read.texts).sum();
    Ok(texts as f64 / last.duration_since(asked).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_once_and_in_order_wherever_its_number_is() {
        for (before, after) in
            [(r#"{"seq":1,"content":""#, r#" xx"}"#), (r#"{"seq":10,"text":"123 "#, r#""}]}"#)]
        {
            let event = |number: u64| format!("{before}{number:010}{after}").into_bytes();
            let mut texts = Texts::default();
            let taken = [0, 1, 1, 3, 2].map(|number| texts.take(&event(number)));
            assert_eq!((taken, texts.next), ([true, true, false, false, true], 3));
        }
    }

    #[test]
    fn what_is_no_text_is_not_taken() {
        let mut texts = Texts::default();
        assert!(!texts.take(br#"{"type":"system","seq":1}"#));
        assert!(texts.take(br#"{"content":"0000000000 x"}"#));
        assert!(!texts.take(br#"{"type":"complete"}"#));
    }

    #[test]
    fn the_time_is_before_the_number() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos();
        let event = format!(r#"{{"content":"{} 0000000000 x"}}"#, now - 2_000_000);
        let mut texts = Texts::default();
        assert!(texts.take(event.as_bytes()));
        let took = texts.took(event.as_bytes()).expect("a time");
        assert!((2.0..1000.0).contains(&took), "{took}");
    }
}

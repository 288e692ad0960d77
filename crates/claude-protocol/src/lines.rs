//! Splits the CLI's output into lines (protocol section 3: UTF-8 NDJSON, split on the byte `\n` only).

use bytes::{Buf, Bytes, BytesMut};

use crate::surrogates::without_lone_surrogates;

/// Longest line that is kept whole, in bytes. A `Write` of 10 MB gives lines of 10.6 MB.
pub const MAX_LINE_BYTES: usize = 100 * 1024 * 1024;

/// One line of output, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A whole line.
    Whole(Bytes),
    /// The stream ended inside this line.
    Torn(Bytes),
    /// A line longer than the limit: how long it was in bytes. Its content was let go to bound memory.
    Overlong(u64),
}

impl Line {
    /// How many bytes it holds: none when its content was let go.
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) | Self::Torn(bytes) => bytes.len(),
            Self::Overlong(_) => 0,
        }
    }

    /// Whether it holds no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is remembered of an overlong line. A carriage return at its end belongs to the line end, wherever it was cut.
#[derive(Debug, Clone, Copy, Default)]
struct Skipped {
    bytes: u64,
    ends_with_return: bool,
}

impl Skipped {
    fn append(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.ends_with_return = bytes.last().map_or(self.ends_with_return, |last| *last == b'\r');
    }

    fn line(mut self, rest: &[u8]) -> Line {
        self.append(rest);
        Line::Overlong(self.bytes - u64::from(self.ends_with_return))
    }
}

/// Collects bytes and hands out lines. Memory stays below the limit plus one read.
#[derive(Debug)]
pub struct LineSplitter {
    buffer: BytesMut,
    /// Bytes at the start of `buffer` that are known to hold no line end.
    searched: usize,
    /// An overlong line that is being skipped.
    skipping: Option<Skipped>,
    limit: usize,
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::new(MAX_LINE_BYTES)
    }
}

impl LineSplitter {
    /// A splitter that keeps lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, skipping: None, limit }
    }

    /// Where the next bytes are to be appended; call [`Self::next_line`] until it gives `None` after each append.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next line, or `None` when more bytes are needed. Empty lines are passed over.
    pub fn next_line(&mut self) -> Option<Line> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(offset) = memchr::memchr(b'\n', fresh) else {
                self.remember_partial_line();
                return None;
            };
            let length = self.searched + offset;
            self.searched = 0;
            let line = self.buffer.split_to(length).freeze();
            self.buffer.advance(1);
            if let Some(skipped) = self.skipping.take() {
                return Some(skipped.line(&line));
            }
            let line = without_carriage_return(line);
            if line.len() > self.limit {
                return Some(Line::Overlong(line.len() as u64));
            }
            if !line.is_empty() {
                return Some(Line::Whole(without_lone_surrogates(line)));
            }
        }
    }

    /// What was left when the stream ended.
    pub fn finish(mut self) -> Option<Line> {
        if let Some(skipped) = self.skipping {
            return Some(skipped.line(&self.buffer));
        }
        let rest = without_carriage_return(self.buffer.split().freeze());
        if rest.is_empty() { None } else { Some(Line::Torn(rest)) }
    }

    fn remember_partial_line(&mut self) {
        let length = self.buffer.len();
        let content = length - usize::from(self.buffer.last() == Some(&b'\r'));
        if self.skipping.is_some() || content > self.limit {
            self.skipping.get_or_insert_default().append(&self.buffer);
            self.buffer = BytesMut::new();
            self.searched = 0;
        } else {
            self.searched = length;
        }
    }
}

fn without_carriage_return(mut line: Bytes) -> Bytes {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(limit: usize, chunks: &[&[u8]]) -> Vec<Line> {
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.buffer().extend_from_slice(chunk);
            while let Some(line) = splitter.next_line() {
                lines.push(line);
            }
        }
        lines.extend(splitter.finish());
        lines
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn splits_on_line_feeds_and_nothing_else() {
        let text = "{\"a\":\"\u{2028}\"}\r\n\n{\"b\":1}\n{\"torn\"".as_bytes();
        assert_eq!(
            split(100, &[text]),
            [whole("{\"a\":\"\u{2028}\"}"), whole("{\"b\":1}"), Line::Torn(Bytes::from_static(b"{\"torn\""))]
        );
    }

    #[test]
    fn an_overlong_line_is_counted_and_the_next_one_is_intact() {
        assert_eq!(split(4, &[b"123", b"4567", b"89\nab\n"]), [Line::Overlong(9), whole("ab")]);
        assert_eq!(split(4, &[b"12345678"]), [Line::Overlong(8)]);
        assert_eq!(split(4, &[b"12345678\nab\n"]), [Line::Overlong(8), whole("ab")]);
        assert_eq!(split(4, &[b"1234\r", b"\n"]), [whole("1234")]);
        assert_eq!(split(4, &[b"12345\r", b"\n"]), [Line::Overlong(5)]);
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_makes_no_difference(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..10),
            limit in 0usize..30,
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut start = 0;
            for cut in cuts {
                chunks.push(&bytes[start..cut]);
                start = cut;
            }
            chunks.push(&bytes[start..]);
            prop_assert_eq!(split(limit, &chunks), split(limit, &[&bytes]));
        }
    }
}

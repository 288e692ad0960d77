//! Any bytes, in any pieces: the splitter loses nothing, and every line decodes to a frame.
//!
//! An input is one byte for the limit, four for the sizes of the pieces, and then the stream.
#![no_main]

use claude_protocol::{Line, LineSplitter, decode};
use libfuzzer_sys::fuzz_target;

const SIZES: usize = 4;

fuzz_target!(|input: &[u8]| {
    let Some((&limit, rest)) = input.split_first() else { return };
    let Some((sizes, stream)) = rest.split_at_checked(SIZES) else { return };
    // From 1 to 4,065, mostly small: both limits that cut everything and such that let JSON through.
    let limit = 1 + usize::from(limit).pow(2) / 16;
    let at_once = split(limit, [stream].into_iter());
    let in_pieces = split(limit, pieces(stream, sizes).into_iter());
    assert_eq!(at_once, in_pieces, "limit {limit}, pieces {sizes:?}");
    let expected = expected(stream);
    account(&at_once, &expected, limit);
    account(&in_pieces, &expected, limit);
    for line in &at_once {
        if let Line::Whole(bytes) | Line::Torn(bytes) = line {
            drop(decode(bytes));
        }
    }
});

/// The stream in pieces of these sizes, in turn.
fn pieces<'a>(mut stream: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        let (piece, rest) = stream.split_at(usize::from(*size).max(1).min(stream.len()));
        if piece.is_empty() {
            break;
        }
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

fn split<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Line> {
    let mut splitter = LineSplitter::new(limit);
    let mut lines = Vec::new();
    for piece in pieces {
        splitter.buffer().extend_from_slice(piece);
        while let Some(line) = splitter.next_line() {
            lines.push(line);
        }
    }
    lines.extend(splitter.finish());
    lines
}

/// A line by a simpler way: the bytes between line feeds.
struct Expected<'a> {
    /// Without its carriage return.
    bare: &'a [u8],
    /// Whether a line feed ended it.
    ended: bool,
}

fn expected(stream: &[u8]) -> Vec<Expected<'_>> {
    let bare = |raw: &'_ [u8]| raw.len() - usize::from(raw.ends_with(b"\r"));
    let mut lines: Vec<_> = stream
        .split(|byte| *byte == b'\n')
        .map(|raw| Expected { bare: &raw[..bare(raw)], ended: true })
        .collect();
    if let Some(last) = lines.last_mut() {
        last.ended = false;
    }
    lines.retain(|line| !line.bare.is_empty());
    lines
}

/// Every line that is not empty is there, in order, with all its bytes or their number.
fn account(lines: &[Line], expected: &[Expected<'_>], limit: usize) {
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, Expected { bare, ended }) in lines.iter().zip(expected) {
        match line {
            Line::Overlong(length) => {
                assert!(bare.len() > limit, "{bare:?} fits in {limit}");
                assert_eq!(*length, bare.len() as u64);
            }
            Line::Whole(found) => {
                assert!(*ended && found.len() <= limit);
                // Halves of surrogate pairs are replaced by as many bytes.
                assert_eq!(found.len(), bare.len());
                assert!(found == bare || bare.windows(3).any(|window| window.eq_ignore_ascii_case(b"\\ud")));
            }
            Line::Torn(found) => assert!(!ended && found == bare && found.len() <= limit, "{found:?}"),
        }
    }
}

//! Halves of UTF-16 pairs. JavaScript cuts text between them and writes the rest as `\ud83d`, which is valid JSON and no
//! valid text: strict readers refuse it. They are replaced before anything reads the line.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

const ESCAPE_LENGTH: usize = 6;
const REPLACEMENT: &[u8; ESCAPE_LENGTH] = br"\ufffd";

/// The line with every lone surrogate escape replaced by U+FFFD. Almost every line has none, and is given back as it is.
pub(crate) fn without_lone_surrogates(line: Bytes) -> Bytes {
    let lone = lone_surrogates(&line);
    if lone.is_empty() {
        return line;
    }
    let mut repaired = line.to_vec();
    for place in lone {
        if let Some(escape) = repaired.get_mut(place..place + ESCAPE_LENGTH) {
            escape.copy_from_slice(REPLACEMENT);
        }
    }
    repaired.into()
}

/// Whether there is any escape of a surrogate. To build a searcher takes longer than to search a short line with it.
fn is_suspect(line: &[u8]) -> bool {
    static ESCAPES: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| [Finder::new(br"\ud"), Finder::new(br"\uD")]);
    ESCAPES.iter().any(|escape| escape.find(line).is_some())
}

/// Where lone surrogate escapes begin.
fn lone_surrogates(line: &[u8]) -> Vec<usize> {
    let mut lone = Vec::new();
    if !is_suspect(line) {
        return lone;
    }
    let mut place = 0;
    while let Some(offset) = line.get(place..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let at = place + offset;
        place = match (unit(line, at), unit(line, at + ESCAPE_LENGTH)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at + 2 * ESCAPE_LENGTH,
            (Some(0xd800..=0xdfff), _) => {
                lone.push(at);
                at + ESCAPE_LENGTH
            }
            // Any other escape is two bytes at least; its rest holds no backslash.
            _ => at + 2,
        };
    }
    lone
}

/// The UTF-16 unit of the `\uXXXX` escape at `at`.
fn unit(line: &[u8], at: usize) -> Option<u16> {
    let escape = line.get(at..at + ESCAPE_LENGTH)?.strip_prefix(br"\u")?;
    u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(text: &'static str) -> String {
        let line = without_lone_surrogates(Bytes::from_static(text.as_bytes()));
        String::from_utf8(line.to_vec()).expect("text")
    }

    #[test]
    fn halves_are_replaced_and_pairs_kept() {
        assert_eq!(repaired(r#""a\ud83d""#), r#""a\ufffd""#);
        assert_eq!(repaired(r#""\ude00\ud83d\ude00\uD83D x""#), r#""\ufffd\ud83d\ude00\ufffd x""#);
        assert_eq!(repaired(r#""\ud83d\u0041\\ud83d""#), r#""\ufffd\u0041\\ud83d""#);
        assert_eq!(
            repaired(r#""plain \n \\ \" text \ud83d\ude00""#),
            r#""plain \n \\ \" text \ud83d\ude00""#
        );
        assert_eq!(repaired(r#""\ud8"#), r#""\ud8"#);
    }
}

//! WebSocket frames of lines, without anything around them.

/// The first byte of a whole text frame.
const TEXT: u8 = 0x81;
/// Says that two bytes of length follow.
const MEDIUM: u8 = 126;
const HEAD: usize = 4;

/// Appends a frame; the text has 126 to 65,535 bytes.
pub(crate) fn push(frames: &mut Vec<u8>, text: &[u8]) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    frames.extend_from_slice(&[TEXT, MEDIUM]);
    frames.extend_from_slice(&length.to_be_bytes());
    frames.extend_from_slice(text);
}

/// Takes whole frames from the start of a buffer; gives how many bytes those were.
pub(crate) fn take(buffer: &[u8], mut each: impl FnMut(&[u8])) -> usize {
    let mut start = 0;
    while let Some([TEXT, MEDIUM, high, low]) = buffer.get(start..start + HEAD) {
        let end = start + HEAD + usize::from(u16::from_be_bytes([*high, *low]));
        let Some(text) = buffer.get(start + HEAD..end) else { break };
        each(text);
        start = end;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_whole_wherever_they_are_cut() {
        let texts = [vec![b'a'; 126], vec![b'b'; 511], vec![b'c'; 65_535]];
        let mut frames = Vec::new();
        texts.iter().for_each(|text| push(&mut frames, text));
        for cut in [0, 1, 4, 129, 130, 131, 644, 645, frames.len() - 1] {
            let (mut taken, (before, _)) = (Vec::new(), frames.split_at(cut));
            let used = take(before, |text| taken.push(text.to_vec()));
            take(frames.split_at(used).1, |text| taken.push(text.to_vec()));
            assert_eq!(taken, texts, "cut at {cut}");
        }
    }
}

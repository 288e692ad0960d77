//! What was said in a conversation, without what the CLI notes for itself: settings, requests, the machine's particulars.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Pieces that wait for a slow reader.
pub(super) const PIECES_AHEAD: usize = 4;
/// A piece is sent when it has so many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// An entry as the CLI has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    uuid: Uuid,
    #[serde(default)]
    parent_uuid: Option<Uuid>,
    timestamp: &'a str,
    #[serde(default)]
    is_sidechain: bool,
    #[serde(borrow)]
    message: &'a RawValue,
}

/// An entry as it is told.
#[derive(Serialize)]
struct Said<'a> {
    uuid: Uuid,
    parent_uuid: Option<Uuid>,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: &'a str,
    is_sidechain: bool,
    message: &'a RawValue,
}

/// Sends the whole file. Blocks while its reader is slow.
pub(super) fn send(file: File, sender: &mpsc::Sender<Bytes>) {
    if let Err(error) = pieces(file, |piece| sender.blocking_send(piece).is_ok()) {
        tracing::warn!(%error, "a transcript could not be read to its end");
    }
}

fn pieces(file: File, mut give: impl FnMut(Bytes) -> bool) -> io::Result<()> {
    let (mut lines, mut line, mut piece) = (BufReader::new(file), Vec::new(), BytesMut::new());
    loop {
        line.clear();
        let is_end = lines.read_until(b'\n', &mut line)? == 0;
        // Notes of the CLI, and a last line that is being written, are no entries.
        if let Ok(Entry {
            kind: kind @ ("user" | "assistant"),
            uuid,
            parent_uuid,
            timestamp,
            is_sidechain,
            message,
        }) = serde_json::from_slice(&line)
        {
            let said = Said { uuid, parent_uuid, kind, timestamp, is_sidechain, message };
            serde_json::to_writer((&mut piece).writer(), &said)?;
            piece.put_u8(b'\n');
        }
        let is_full = piece.len() >= PIECE_BYTES || (is_end && !piece.is_empty());
        if (is_full && !give(piece.split().freeze())) || is_end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn only_what_was_said_is_told() {
        let id = Uuid::from_u128(1);
        let mut file = tempfile::tempfile().expect("a file");
        let said = format!(
            r#"{{"parentUuid":null,"isSidechain":false,"type":"user","message":{{"role":"user","content":"hi"}},"uuid":"{id}","timestamp":"T","cwd":"/private"}}"#
        );
        write!(file, "{{\"type\":\"last-prompt\"}}\n{said}\n{said}\n{{\"type\":\"assistant\",")
            .expect("written");
        file.rewind().expect("at its start");
        let mut told = Vec::new();
        pieces(file, |piece| {
            told.push(piece);
            true
        })
        .expect("read");
        let line = format!(
            r#"{{"uuid":"{id}","parent_uuid":null,"type":"user","timestamp":"T","is_sidechain":false,"message":{{"role":"user","content":"hi"}}}}"#
        );
        assert_eq!(told, [Bytes::from(format!("{line}\n{line}\n"))]);
    }

    #[test]
    fn nobody_who_left_is_read_for() {
        let mut file = tempfile::tempfile().expect("a file");
        let id = Uuid::nil();
        for _ in 0..3 {
            let large = "x".repeat(PIECE_BYTES);
            writeln!(file, r#"{{"type":"user","uuid":"{id}","timestamp":"T","message":"{large}"}}"#)
                .expect("written");
        }
        file.rewind().expect("at its start");
        let mut given = 0;
        pieces(file, |_| {
            given += 1;
            false
        })
        .expect("read");
        assert_eq!(given, 1);
    }
}

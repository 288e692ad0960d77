//! What was said in a conversation, without what the CLI notes for itself: settings, requests, the machine's particulars.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// Pieces that wait for a slow reader.
pub(super) const PIECES_AHEAD: usize = 4;
/// What the CLI calls a prompt that it took into a running turn.
const TAKEN: &str = "queued_command";
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
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
    #[serde(default, borrow)]
    attachment: Option<Attachment<'a>>,
}

/// What the CLI attached to a message.
#[derive(Deserialize)]
struct Attachment<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default, borrow)]
    prompt: Option<&'a RawValue>,
}

impl<'a> Entry<'a> {
    /// Who said what in it; `None` for notes of the CLI.
    fn words(&self) -> Option<(&'a str, Words<'a>)> {
        match (self.kind, self.message, &self.attachment) {
            (kind @ ("user" | "assistant"), Some(message), _) => Some((kind, Words::Message(message))),
            ("attachment", _, Some(Attachment { kind: TAKEN, prompt: Some(content) })) => {
                Some(("user", Words::Taken { role: "user", content }))
            }
            _ => None,
        }
    }
}

/// What was said.
#[derive(Serialize)]
#[serde(untagged)]
enum Words<'a> {
    /// As the CLI has it.
    Message(&'a RawValue),
    /// Into a running turn.
    Taken { role: &'static str, content: &'a RawValue },
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
    message: Words<'a>,
}

/// Reads a file piece by piece.
struct Pieces {
    lines: BufReader<File>,
    line: Vec<u8>,
}

/// Sends the whole file. A reader that is slow holds no thread meanwhile.
pub(super) async fn send(file: File, sender: mpsc::Sender<Bytes>) {
    let mut pieces = Pieces { lines: BufReader::new(file), line: Vec::new() };
    loop {
        let read = spawn_blocking(move || pieces.next().map(|piece| (piece, pieces))).await;
        let piece = match read.map_err(io::Error::other).flatten() {
            Ok((Some(piece), rest)) => {
                pieces = rest;
                piece
            }
            Ok((None, _)) => return,
            Err(error) => return tracing::warn!(%error, "a transcript could not be read to its end"),
        };
        // It ends when nobody listens any more.
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

impl Pieces {
    /// The next whole lines; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut piece = BytesMut::new();
        while piece.len() < PIECE_BYTES {
            self.line.clear();
            if self.lines.read_until(b'\n', &mut self.line)? == 0 {
                break;
            }
            // Notes of the CLI, and a last line that is being written, are no entries.
            let Ok(entry) = serde_json::from_slice::<Entry<'_>>(&self.line) else { continue };
            if let Some((kind, message)) = entry.words() {
                let Entry { uuid, parent_uuid, timestamp, is_sidechain, .. } = entry;
                let said = Said { uuid, parent_uuid, kind, timestamp, is_sidechain, message };
                serde_json::to_writer((&mut piece).writer(), &said)?;
                piece.put_u8(b'\n');
            }
        }
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    const TAKEN_LINE: &str =
        r#""type":"attachment","attachment":{"type":"queued_command","prompt":"hi","source_uuid":"1"}"#;

    #[test]
    fn only_what_was_said_is_told() {
        let id = Uuid::from_u128(1);
        let mut file = tempfile::tempfile().expect("a file");
        let said = format!(
            r#"{{"parentUuid":null,"isSidechain":false,"type":"user","message":{{"role":"user","content":"hi"}},"uuid":"{id}","timestamp":"T","cwd":"/private"}}"#
        );
        let taken = said.replace(r#""type":"user","message":{"role":"user","content":"hi"}"#, TAKEN_LINE);
        let other = taken.replace(TAKEN, "date");
        write!(file, "{{\"type\":\"last-prompt\"}}\n{said}\n{other}\n{taken}\n{{\"type\":\"assistant\",")
            .expect("written");
        file.rewind().expect("at its start");
        let mut pieces = Pieces { lines: BufReader::new(file), line: Vec::new() };
        let told = [pieces.next().expect("read"), pieces.next().expect("read")];
        let line = format!(
            r#"{{"uuid":"{id}","parent_uuid":null,"type":"user","timestamp":"T","is_sidechain":false,"message":{{"role":"user","content":"hi"}}}}"#
        );
        assert_eq!(told, [Some(Bytes::from(format!("{line}\n{line}\n"))), None]);
    }

    #[tokio::test]
    async fn nobody_who_left_is_read_for() {
        let mut file = tempfile::tempfile().expect("a file");
        let id = Uuid::nil();
        for _ in 0..9 {
            let large = "x".repeat(PIECE_BYTES);
            writeln!(file, r#"{{"type":"user","uuid":"{id}","timestamp":"T","message":"{large}"}}"#)
                .expect("written");
        }
        file.rewind().expect("at its start");
        let (sender, mut receiver) = mpsc::channel(1);
        let sending = tokio::spawn(send(file, sender));
        assert!(receiver.recv().await.is_some());
        drop(receiver);
        sending.await.expect("it ends by itself");
    }
}

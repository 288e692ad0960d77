//! Writes lines to stdout, each with the session's id and an id of its own.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::fd::AsFd;

use serde_json::{Value, json};

/// Length of the part of a line's id that counts up.
pub(crate) const COUNTER: usize = 12;

/// The process's stdout, without a buffer: a line is there for its reader once it is written.
pub(crate) struct Output {
    file: File,
    session: String,
    /// The part of a line's id that is the same for all lines.
    ids: String,
    lines: u64,
}

/// The first part of a version 4 UUID that no other process has; 12 digits that count up complete it.
fn random_ids() -> String {
    let random = RandomState::new().build_hasher().finish();
    let [a, b, c, d, e, f, g, h] = random.to_be_bytes();
    format!("{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-4{:03x}-8{h:03x}-", u16::from(g))
}

impl Output {
    /// The process's stdout, for a conversation with this id; `None` makes one up.
    pub(crate) fn stdout(session: &Option<String>) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let ids = random_ids();
        let session = session.clone().unwrap_or_else(|| format!("{ids}{:0COUNTER$x}", 0));
        Ok(Self { file, session, ids, lines: 0 })
    }

    /// The conversation's id.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// Takes that many numbers of lines' ids; gives the first.
    pub(crate) fn take_numbers(&mut self, count: u64) -> u64 {
        self.lines += count;
        self.lines - count + 1
    }

    /// An id that was not used yet.
    pub(crate) fn id(&mut self) -> String {
        let number = self.take_numbers(1);
        format!("{}{number:0COUNTER$x}", self.ids)
    }

    /// Writes bytes that are whole lines.
    pub(crate) fn bytes(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)
    }

    /// Writes a value as it is.
    pub(crate) fn value(&mut self, value: &Value) -> io::Result<()> {
        self.file.write_all(format!("{value}\n").as_bytes())
    }

    /// Writes a frame, its type first as the CLI does; adds the session and the line's id.
    pub(crate) fn frame(&mut self, kind: &str, mut fields: Value) -> io::Result<()> {
        fields["session_id"] = json!(self.session);
        if fields.get("uuid").is_none() {
            fields["uuid"] = json!(self.id());
        }
        let fields = fields.to_string();
        let fields = fields.strip_prefix('{').unwrap_or_default();
        self.file.write_all(format!("{{\"type\":\"{kind}\",{fields}\n").as_bytes())
    }

    /// Writes a `system` frame.
    pub(crate) fn system(&mut self, subtype: &str, mut fields: Value) -> io::Result<()> {
        fields["subtype"] = json!(subtype);
        self.frame("system", fields)
    }
}

//! What is kept of a run: `.agent_runs/<run id>/` in the folder that the worker was called from.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use client::readable::{Line, MOST_CHARACTERS};
use domain::{Clock, SystemClock};
use uuid::Uuid;

use crate::summary::Summary;

/// The folder of all runs.
pub(crate) const RUNS: &str = ".agent_runs";
/// Readable by the caller only: what an agent said and read may be meant for nobody else.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// How often another name is tried when one is taken.
const MOST_NAMES: usize = 10;

/// The files of one run.
#[derive(Debug)]
pub(crate) struct Record {
    run_id: String,
    folder: PathBuf,
    log: File,
    events: File,
    /// The first thing that could not be written.
    fault: Option<io::Error>,
}

impl Record {
    /// Makes the folder of a new run below that of all runs. Its name is the run's id, which nobody else has.
    pub(crate) fn create(runs: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(runs)?;
        for _ in 0..MOST_NAMES {
            let run_id = new_run_id();
            let folder = runs.join(&run_id);
            match DirBuilder::new().mode(FOLDER_MODE).create(&folder) {
                Ok(()) => {
                    let (log, events) = (new_file(&folder, "agent.log")?, new_file(&folder, "events.jsonl")?);
                    return Ok(Self { run_id, folder, log, events, fault: None });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "every name that was tried is taken"))
    }

    /// The run's id.
    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a line for people, with the time.
    pub(crate) fn line(&mut self, line: &Line) {
        let text = line.short(MOST_CHARACTERS);
        let written = writeln!(self.log, "{} {:>11}  {text}", SystemClock.now(), line.label);
        self.keep(written);
    }

    /// Writes an event, as it came: one line.
    pub(crate) fn event(&mut self, event: &[u8]) {
        let written = self.events.write_all(event).and_then(|()| self.events.write_all(b"\n"));
        self.keep(written);
    }

    /// Writes the summary, in the place of whatever the agent may have put there: the folder may lie where it works.
    pub(crate) fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(summary)?;
        text.push('\n');
        let file = format!("summary.{}.tmp", std::process::id());
        new_file(&self.folder, &file)?.write_all(text.as_bytes())?;
        std::fs::rename(self.folder.join(file), self.folder.join("summary.json"))
    }

    /// What could not be written, if anything.
    pub(crate) fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    /// Takes the folder away again: nothing was run.
    pub(crate) fn discard(self) -> io::Result<()> {
        std::fs::remove_dir_all(self.folder)
    }

    fn keep(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.fault.get_or_insert(error);
        }
    }
}

fn new_file(folder: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(folder.join(name))
}

/// `20260119-100005-1f0c9a`: when, and something that no other run has.
fn new_run_id() -> String {
    let now = SystemClock.now().to_string();
    let digits: Vec<char> = now.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.iter().take(to).skip(from).collect::<String>();
    let random: String = Uuid::new_v4().simple().to_string().chars().take(6).collect();
    format!("{}-{}-{random}", part(0, 8), part(8, 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_says_when_and_is_good_for_branches_and_tasks() {
        let id = new_run_id();
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 6, 6], "{id}");
        assert!(domain::TaskId::parse(&format!("worker-{id}")).is_ok());
    }

    #[test]
    fn a_record_keeps_lines_and_events_and_can_be_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let runs = folder.path().join(RUNS);
        let mut record = Record::create(&runs).expect("made");
        let other = Record::create(&runs).expect("made");
        assert_ne!(record.folder(), other.folder());
        record.line(&Line::new("agent", client::readable::Tone::Agent, "a\nb"));
        record.event(b"{\"seq\":1}");
        record.event(b"{\"seq\":2}");
        let read = |name: &str| std::fs::read_to_string(record.folder().join(name)).expect("there");
        let log = read("agent.log");
        assert!(log.ends_with("Z       agent  a b\n"), "{log}");
        assert_eq!(read("events.jsonl"), "{\"seq\":1}\n{\"seq\":2}\n");
        assert!(record.fault().is_none());
        other.discard().expect("gone");
        assert_eq!(std::fs::read_dir(&runs).expect("there").count(), 1);
    }
}

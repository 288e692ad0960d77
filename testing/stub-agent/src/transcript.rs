//! The conversation's file, where the CLI keeps it: `projects/<key>/<session>.jsonl` below its config folder. A prompt
//! is in it before anything is done about it, a turn once it has ended; what stands between was cut off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::arguments::{Launch, VERSION, config_folder};
use crate::burst::wall_clock;
use crate::inbox::Prompt;

/// The CLI cuts longer names of folders.
const LONGEST_KEY: usize = 200;

/// The conversation's file, and what it held when it was opened.
pub(crate) struct Transcript {
    projects: PathBuf,
    id: String,
    keep: bool,
    /// Where the file is; `None` until there is one.
    path: Option<PathBuf>,
    file: Option<File>,
    /// What a copy begins with.
    copied: Vec<u8>,
    /// The prompts so far.
    prompts: Vec<Prompt>,
    /// The last prompt, when its turn has no end.
    cut_off: Option<Prompt>,
    cost_usd: f64,
}

/// How the CLI writes a path in the name of a folder.
fn key(folder: &Path) -> String {
    let path = folder.to_string_lossy();
    let letters = path.encode_utf16().map(|unit| char::from_u32(unit.into()).unwrap_or('-'));
    let dashed = letters.map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    dashed.take(LONGEST_KEY).collect()
}

/// The conversation's file in whichever project's folder it is.
fn find(projects: &Path, id: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(projects).ok()?.filter_map(Result::ok);
    folders.map(|folder| folder.path().join(format!("{id}.jsonl"))).find(|path| path.is_file())
}

impl Transcript {
    /// Opens what is to be resumed or copied, or makes sure that a new conversation's id is free.
    pub(crate) fn open(launch: &Launch, session: &str) -> io::Result<Self> {
        let projects = config_folder().join("projects");
        let old = launch.resume.as_deref().unwrap_or(session);
        let found = find(&projects, old);
        let refuse = |message: String| Err(io::Error::other(message));
        let mut transcript = Self {
            projects,
            id: session.to_owned(),
            keep: launch.keep,
            path: None,
            file: None,
            copied: Vec::new(),
            prompts: Vec::new(),
            cut_off: None,
            cost_usd: 0.0,
        };
        match (&launch.resume, found) {
            (None, None) => {}
            (None, Some(_)) => return refuse(format!("Error: Session ID {old} is already in use.")),
            (Some(_), None) => return refuse(format!("No conversation found with session ID: {old}")),
            (Some(_), Some(path)) => {
                let text = fs::read(&path)?;
                transcript.learn(&text);
                if launch.fork { transcript.copied = text } else { transcript.path = Some(path) }
            }
        }
        Ok(transcript)
    }

    fn learn(&mut self, text: &[u8]) {
        let lines = text.split(|byte| *byte == b'\n');
        for line in lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok()) {
            self.cost_usd += line["costUSD"].as_f64().unwrap_or_default();
            if line["type"] == "user" {
                let prompt = Prompt {
                    uuid: line["uuid"].as_str().map(str::to_owned),
                    text: line["message"]["content"].as_str().unwrap_or_default().to_owned(),
                };
                self.prompts.push(prompt.clone());
                self.cut_off = Some(prompt);
            } else {
                self.cut_off = None;
            }
        }
    }

    /// The prompt whose turn was cut off; gives it once.
    pub(crate) fn take_cut_off(&mut self) -> Option<Prompt> {
        self.cut_off.take()
    }

    /// The prompts so far.
    pub(crate) fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    /// What the conversation has cost so far.
    pub(crate) fn cost_usd(&self) -> f64 {
        self.cost_usd
    }

    /// Writes a prompt.
    pub(crate) fn prompt(&mut self, prompt: &Prompt, cwd: &Path) -> io::Result<()> {
        self.prompts.push(prompt.clone());
        let message = json!({"role": "user", "content": prompt.text});
        self.line(json!({"type": "user", "uuid": prompt.uuid, "message": message}), cwd)
    }

    /// Writes the end of a turn.
    pub(crate) fn turn(&mut self, prompt: Option<&str>, end: &TurnEnd<'_>, cwd: &Path) -> io::Result<()> {
        self.cost_usd += end.cost_usd;
        let message = json!({"role": "assistant", "content": [{"type": "text", "text": end.said}]});
        let line = json!({
            "type": "assistant", "parentUuid": prompt, "message": message, "ending": end.ending,
            "costUSD": end.cost_usd,
        });
        self.line(line, cwd)
    }

    fn line(&mut self, mut line: Value, cwd: &Path) -> io::Result<()> {
        if !self.keep {
            return Ok(());
        }
        for (name, value) in [
            ("sessionId", json!(self.id)),
            ("cwd", json!(cwd)),
            ("version", json!(VERSION)),
            ("pid", json!(std::process::id())),
            ("nanos", json!(wall_clock())),
        ] {
            line[name] = value;
        }
        let bytes = format!("{line}\n");
        self.file(cwd)?.write_all(bytes.as_bytes())
    }

    fn file(&mut self, cwd: &Path) -> io::Result<&mut File> {
        if self.file.is_none() {
            let new = || self.projects.join(key(cwd)).join(format!("{}.jsonl", self.id));
            let path = self.path.take().unwrap_or_else(new);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(&std::mem::take(&mut self.copied))?;
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("the transcript is not open"))
    }
}

/// What is written about a turn that has ended.
pub(crate) struct TurnEnd<'a> {
    /// The last text.
    pub(crate) said: &'a str,
    /// `completed`, `aborted_streaming`, ...
    pub(crate) ending: &'a str,
    /// What it cost.
    pub(crate) cost_usd: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_as_the_cli_does() {
        assert_eq!(key(Path::new("/srv/a.b_c/é😀1")), "-srv-a-b-c----1");
        assert_eq!(key(Path::new(&"/x".repeat(150))).len(), LONGEST_KEY);
    }
}

//! One process: what it is told, what it still has to do, turn after turn.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::arguments::Launch;
use crate::frames::initialized;
use crate::inbox::{Inbox, Prompt};
use crate::output::Output;
use crate::result::{Cause, Ended, Ending, Results};
use crate::transcript::Transcript;

/// With this, a conversation whose last turn did not reach its end is told to go on.
const CONTINUATION: &str = "Continue from where you left off.";

/// A task that outlasts its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackgroundTask {
    pub(crate) id: String,
    pub(crate) tool_use_id: String,
    pub(crate) until: Instant,
}

impl BackgroundTask {
    fn described(&self) -> Value {
        json!({"task_id": self.id, "task_type": "local_bash", "description": "a task of the stub"})
    }
}

/// Everything that the process knows.
pub(crate) struct Session {
    pub(crate) launch: Launch,
    pub(crate) output: Output,
    pub(crate) transcript: Transcript,
    pub(crate) cwd: PathBuf,
    pub(crate) results: Results,
    pub(crate) background: Vec<BackgroundTask>,
    pub(crate) queue: VecDeque<Prompt>,
    /// Whether a turn runs, and whether it was interrupted.
    pub(crate) in_turn: bool,
    pub(crate) interrupted: bool,
    inbox: Inbox,
    /// Names of prompts that were taken.
    taken: HashSet<String>,
    claimed: bool,
    initialized: bool,
    told_to_end: bool,
}

impl Session {
    pub(crate) fn new(launch: Launch, output: Output, transcript: Transcript) -> io::Result<Self> {
        Ok(Self {
            cwd: std::env::current_dir()?,
            inbox: Inbox::stdin()?,
            claimed: !launch.await_claim,
            launch,
            output,
            transcript,
            results: Results::default(),
            background: Vec::new(),
            queue: VecDeque::new(),
            in_turn: false,
            interrupted: false,
            taken: HashSet::new(),
            initialized: false,
            told_to_end: false,
        })
    }

    /// Works until the input and all work has ended; gives the exit code.
    pub(crate) fn run(mut self) -> io::Result<u8> {
        let goes_on =
            std::env::var_os("CLAUDE_CODE_RESUME_INTERRUPTED_TURN").is_some_and(|value| value == "1");
        let mut cut_off = self.transcript.take_cut_off().filter(|_| goes_on);
        while !self.told_to_end {
            if let Some(prompt) = cut_off.take_if(|_| self.initialized) {
                self.turn(Cause::Resumed(prompt.uuid), &prompt.text)?;
            } else if let Some(prompt) = self.queue.pop_front() {
                self.transcript.prompt(&prompt, &self.cwd)?;
                let script = self.script_of(&prompt);
                self.turn(Cause::Prompt(prompt.uuid), &script)?;
            } else if self.background_ended()? {
                self.turn(Cause::Notification, "say All done.")?;
            } else if self.inbox.is_closed() && self.background.is_empty() {
                break;
            } else {
                self.listen(self.background.iter().map(|task| task.until).min())?;
            }
        }
        Ok(self.results.failed.into())
    }

    /// What a prompt asks for: one that asks to go on asks for what the last other one did.
    fn script_of(&self, prompt: &Prompt) -> String {
        if prompt.text != CONTINUATION {
            return prompt.text.clone();
        }
        let earlier = self.transcript.prompts().iter().rev().find(|earlier| earlier.text != CONTINUATION);
        earlier.unwrap_or(prompt).text.clone()
    }

    /// Waits for the next line and does what it says, but no longer than until then.
    fn listen(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.inbox.wait(until).map_or(Ok(()), |line| self.line(&line))
    }

    /// Does what has come in.
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        while let Some(line) = self.inbox.poll() {
            self.line(&line)?;
        }
        Ok(())
    }

    /// Waits until then, or until the turn is interrupted. Without an end, until it is interrupted.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.poll()?;
        while !self.interrupted && until.is_none_or(|until| Instant::now() < until) {
            self.listen(until)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let wrong = |error| {
            let length = line.trim_ascii().len();
            io::Error::other(format!("Error parsing streaming input line ({length} chars): {error}"))
        };
        let line: Value = serde_json::from_slice(line).map_err(wrong)?;
        match line["type"].as_str() {
            Some("user") => {
                let prompt = Prompt::read(&line);
                self.prompt(prompt.ok_or_else(|| io::Error::other("Error: Expected message role 'user'"))?)
            }
            Some("control_request") => self.control(&line["request_id"], &line["request"]),
            _ => Ok(()),
        }
    }

    fn prompt(&mut self, prompt: Prompt) -> io::Result<()> {
        if !self.claimed {
            let reason = "not_claimed: this process waits for claim_session";
            return self.refuse(&prompt, Ending::Refused(reason.to_owned()));
        }
        // The same prompt is not run twice.
        if prompt.uuid.clone().is_some_and(|uuid| !self.taken.insert(uuid)) {
            return self.replay(&prompt);
        }
        self.output.lifecycle(prompt.uuid.as_deref(), "queued")?;
        self.replay(&prompt)?;
        self.queue.push_back(prompt);
        Ok(())
    }

    fn replay(&mut self, prompt: &Prompt) -> io::Result<()> {
        if !self.launch.replay {
            return Ok(());
        }
        let mut fields = json!({"isReplay": true});
        if let Some(uuid) = &prompt.uuid {
            fields["uuid"] = json!(uuid);
        }
        self.output.user(&json!(prompt.text), fields)
    }

    fn refuse(&mut self, prompt: &Prompt, ending: Ending) -> io::Result<()> {
        let cause = Cause::Prompt(prompt.uuid.clone());
        self.end(&cause, &ending, 0, 0.0)
    }

    /// Writes the result of a turn.
    pub(crate) fn end(
        &mut self,
        cause: &Cause,
        ending: &Ending,
        milliseconds: u128,
        cost_usd: f64,
    ) -> io::Result<()> {
        let (total_cost_usd, queued) = (self.transcript.cost_usd(), self.queue.len());
        let model = &self.launch.model;
        let ended = Ended { cause, ending, milliseconds, cost_usd, total_cost_usd, model, queued };
        self.results.write(&mut self.output, &ended)
    }

    fn control(&mut self, id: &Value, request: &Value) -> io::Result<()> {
        match request["subtype"].as_str().unwrap_or_default() {
            "initialize" => {
                self.initialized = true;
                self.output.answer(id, &initialized(&self.launch))
            }
            "interrupt" => self.interrupt(id, request["cancel_queued"] == true),
            "claim_session" => self.claim(id, request),
            "set_permission_mode" => {
                self.launch.permission_mode = request["mode"].as_str().unwrap_or("default").to_owned();
                self.output.answer(id, &json!({"mode": self.launch.permission_mode}))
            }
            "set_model" => {
                self.launch.model = request["model"].as_str().unwrap_or("stub").to_owned();
                self.output.answer(id, &json!({"model": self.launch.model}))
            }
            "end_session" => {
                (self.told_to_end, self.interrupted) = (true, self.in_turn);
                self.output.answer(id, &json!({}))
            }
            other => {
                let error = format!("Unsupported control request subtype: {other}");
                self.output.refuse(id, &error, Some("unsupported_request"))
            }
        }
    }

    fn interrupt(&mut self, id: &Value, cancel_queued: bool) -> io::Result<()> {
        let queued: Vec<_> = self.queue.iter().filter_map(|prompt| prompt.uuid.clone()).collect();
        self.interrupted = self.in_turn;
        if !cancel_queued {
            return self.output.answer(id, &json!({"still_queued": queued}));
        }
        self.queue.clear();
        self.output.answer(id, &json!({"still_queued": [], "cancelled": queued}))?;
        queued.iter().try_for_each(|uuid| self.output.lifecycle(Some(uuid), "cancelled"))
    }

    fn claim(&mut self, id: &Value, request: &Value) -> io::Result<()> {
        if self.claimed {
            let error = "not_a_spare: claim_session is only accepted by a process that waits for it";
            return self.output.refuse(id, error, None);
        }
        let cwd = request["cwd"].as_str().unwrap_or_default();
        let Some(folder) = std::fs::canonicalize(cwd).ok().filter(|folder| folder.is_dir()) else {
            return self.output.refuse(id, &format!("cwd_not_found: {cwd}"), None);
        };
        std::env::set_current_dir(&folder)?;
        if let Some(mode) = request["permission_mode"].as_str() {
            self.launch.permission_mode = mode.to_owned();
        }
        (self.cwd, self.claimed) = (folder, true);
        let session = self.output.session().to_owned();
        self.output.answer(id, &json!({"status": "ok", "cwd": self.cwd, "session_id": session}))
    }

    /// Tells of background tasks that have ended; gives whether there were any.
    fn background_ended(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        let (ended, open): (Vec<_>, Vec<_>) = self.background.drain(..).partition(|task| task.until <= now);
        self.background = open;
        for task in &ended {
            let fields = json!({"task_id": task.id, "patch": {"status": "completed"}});
            self.output.system("task_updated", fields)?;
            let fields = json!({
                "task_id": task.id, "tool_use_id": task.tool_use_id, "status": "completed",
                "summary": "a task of the stub completed (exit code 0)",
            });
            self.output.system("task_notification", fields)?;
        }
        if !ended.is_empty() {
            self.tell_background()?;
        }
        Ok(!ended.is_empty())
    }

    /// Tells which background tasks run.
    pub(crate) fn tell_background(&mut self) -> io::Result<()> {
        let tasks: Vec<_> = self.background.iter().map(BackgroundTask::described).collect();
        self.output.system("background_tasks_changed", json!({"tasks": tasks}))
    }
}

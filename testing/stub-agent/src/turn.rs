//! One turn: the words of a prompt, done one after another until one ends the turn or an interrupt does.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::burst::{Burst, wall_clock};
use crate::result::{Cause, Ending};
use crate::script::{Word, parse};
use crate::session::{BackgroundTask, Session};
use crate::transcript::TurnEnd;

/// The exit code of a crash.
const CRASHED: i32 = 3;

/// A turn that runs.
struct Turn<'a> {
    session: &'a mut Session,
    /// The tools whose result is still to come.
    tools: Vec<String>,
    /// The last text.
    said: Option<String>,
    refused: Option<u16>,
    cost_usd: f64,
    /// Where an interrupt is to be noted, and how.
    on_interrupt: Option<(String, String)>,
}

impl Session {
    /// Does what a prompt says, and says how that ended.
    pub(crate) fn turn(&mut self, cause: Cause, script: &str) -> io::Result<()> {
        let began = Instant::now();
        (self.in_turn, self.interrupted) = (true, false);
        self.output.lifecycle(cause.prompt(), "started")?;
        self.output.state("running")?;
        self.output.init(&self.launch, &self.cwd, cause.prompt())?;
        let mut turn = Turn {
            session: self,
            tools: Vec::new(),
            said: None,
            refused: None,
            cost_usd: 0.0,
            on_interrupt: None,
        };
        turn.words(script)?;
        let ending = turn.close()?;
        let cost_usd = turn.cost_usd;
        let said = turn.said.take().unwrap_or_default();
        let end = TurnEnd { said: &said, ending: ending.reason(), cost_usd };
        self.transcript.turn(cause.prompt(), &end, &self.cwd)?;
        self.end(&cause, &ending, began.elapsed().as_millis(), cost_usd)?;
        (self.in_turn, self.interrupted) = (false, false);
        let fate = if matches!(ending, Ending::Aborted(_)) { "cancelled" } else { "completed" };
        self.output.lifecycle(cause.prompt(), fate)?;
        self.output.state("idle")
    }
}

impl Turn<'_> {
    fn words(&mut self, script: &str) -> io::Result<()> {
        for word in parse(script) {
            self.session.poll()?;
            if self.session.interrupted || self.refused.is_some() {
                return Ok(());
            }
            self.word(word)?;
        }
        Ok(())
    }

    /// Ends what is open.
    fn close(&mut self) -> io::Result<Ending> {
        if let Some((file, word)) = self.on_interrupt.take_if(|_| self.session.interrupted) {
            self.log(&file, &word)?;
        }
        let output = &mut self.session.output;
        if !self.session.interrupted {
            for tool in self.tools.drain(..) {
                output.tool_result(&tool, "ok", false)?;
            }
            let said = self.said.get_or_insert_with(|| "done".to_owned());
            return Ok(match self.refused {
                Some(status) => Ending::ApiError(status, said.clone()),
                None => Ending::Completed(said.clone()),
            });
        }
        let in_tool = !self.tools.is_empty();
        for tool in self.tools.drain(..) {
            output.tool_result(&tool, "The user doesn't want to proceed with this tool use.", true)?;
        }
        let marker = if in_tool {
            "[Request interrupted by user for tool use]"
        } else {
            "[Request interrupted by user]"
        };
        output.user(&json!([{"type": "text", "text": marker}]), json!({}))?;
        Ok(Ending::Aborted(in_tool))
    }

    fn word(&mut self, word: Word) -> io::Result<()> {
        match word {
            Word::Emit { count, bytes } => self.emit(count, bytes),
            Word::Rate { per_second, bytes, seconds } => self.rate(per_second, bytes, seconds),
            Word::Sleep(time) => self.session.wait(Some(Instant::now() + time)),
            Word::Hold => self.session.wait(None),
            Word::Log { file, word } => self.log(&file, &word),
            Word::OnInterrupt { file, word } => {
                self.on_interrupt = Some((file, word));
                Ok(())
            }
            Word::Say(text) => self.say(text),
            Word::Recall => {
                let prompts = self.session.transcript.prompts().split_last();
                let earlier = prompts.map(|(_, earlier)| earlier).unwrap_or_default();
                let texts: Vec<_> = earlier.iter().map(|prompt| prompt.text.as_str()).collect();
                self.say(texts.join("\n"))
            }
            Word::Tool { name, input } => self.tool(&name, &input),
            Word::ToolEnd => match self.tools.pop() {
                Some(tool) => self.session.output.tool_result(&tool, "ok", false),
                None => self.say("no tool runs that could end".to_owned()),
            },
            Word::Background { count, after } => self.background(count, after),
            Word::ApiError(status) => self.api_error(status),
            Word::Crash => std::process::exit(CRASHED),
            Word::Cost(usd) => {
                self.cost_usd += usd;
                Ok(())
            }
        }
    }

    fn say(&mut self, text: String) -> io::Result<()> {
        self.session.output.say(&self.session.launch.model, &text)?;
        self.said = Some(text);
        Ok(())
    }

    fn emit(&mut self, count: u64, bytes: usize) -> io::Result<()> {
        let Session { output, launch, .. } = &mut *self.session;
        let mut burst = Burst::new(output, &launch.model, bytes, count);
        let mut written = 0;
        while written < count && !self.session.interrupted {
            let lines = burst.lines().min(count - written);
            let block = burst.numbered(&mut self.session.output, written, lines);
            self.session.output.bytes(block)?;
            written += lines;
            self.session.poll()?;
        }
        Ok(())
    }

    fn rate(&mut self, per_second: f64, bytes: usize, seconds: f64) -> io::Result<()> {
        let Session { output, launch, .. } = &mut *self.session;
        let mut burst = Burst::new(output, &launch.model, bytes.max(Burst::STAMPED), 1);
        let start = Instant::now();
        let mut number = 0_u64;
        loop {
            // No count of messages here comes near what a float cannot tell apart.
            #[expect(clippy::cast_precision_loss, reason = "explained above")]
            let due = number as f64 / per_second;
            // A rate of nothing is due at no time.
            if due.is_nan() || due >= seconds {
                return self.session.wait(Some(start + Duration::from_secs_f64(seconds)));
            }
            self.session.wait(Some(start + Duration::from_secs_f64(due)))?;
            if self.session.interrupted {
                return Ok(());
            }
            let line = burst.stamped(&mut self.session.output, number);
            self.session.output.bytes(line)?;
            number += 1;
        }
    }

    /// One write, so that lines of several processes do not mix.
    fn log(&mut self, file: &str, word: &str) -> io::Result<()> {
        let session = self.session.output.session();
        let line = format!("{} {} {session} {word}\n", wall_clock(), std::process::id());
        OpenOptions::new().append(true).create(true).open(file)?.write_all(line.as_bytes())
    }

    fn tool(&mut self, name: &str, input: &str) -> io::Result<()> {
        let Session { output, launch, .. } = &mut *self.session;
        let id = format!("toolu_{}", output.id());
        output.tool_use(&launch.model, &id, name, input)?;
        self.tools.push(id);
        Ok(())
    }

    fn background(&mut self, count: usize, after: Duration) -> io::Result<()> {
        for _ in 0..count {
            self.tool("Bash", "{\"command\":\"true\",\"run_in_background\":true}")?;
            let tool_use_id = self.tools.pop().unwrap_or_default();
            let session = &mut *self.session;
            let id = session.output.id();
            let task = BackgroundTask {
                id: id.clone(),
                tool_use_id: tool_use_id.clone(),
                until: Instant::now() + after,
            };
            session.background.push(task);
            session.tell_background()?;
            let fields = json!({
                "task_id": id, "tool_use_id": tool_use_id, "task_type": "local_bash",
                "description": "a task of the stub", "is_backgrounded": true,
            });
            session.output.system("task_started", fields)?;
            session.output.tool_result(&tool_use_id, "Command running in background", false)?;
        }
        Ok(())
    }

    fn api_error(&mut self, status: u16) -> io::Result<()> {
        // The others are not tried again.
        if matches!(status, 401 | 429 | 500..) {
            self.session.output.api_retry(status)?;
        }
        let text = format!("API Error: {status} as the prompt wanted it");
        self.session.output.say_refusal(status, &text)?;
        (self.said, self.refused) = (Some(text), Some(status));
        Ok(())
    }
}

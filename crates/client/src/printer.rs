//! Writes events to whoever watches: lines for people, with one that shows the progress on a terminal, or JSON for machines.

use std::io::{self, ErrorKind, IsTerminal, Stdout, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::time::Instant;

use crate::Event;
use crate::readable::{self, Line, MOST_CHARACTERS, Tone, one_line};

/// Width of the labels.
const LABEL: usize = 11;
/// A label, and the space after it.
const MARGIN: usize = LABEL + 2;
/// Assumed where the terminal does not tell.
const USUAL_COLUMNS: usize = 80;
const CLEAR_LINE: &str = "\r\x1b[K";

/// In which form events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line for people each, long texts cut.
    Short,
    /// For people, nothing cut, with the time of each event.
    Whole,
    /// For people, with the time of each event, long texts cut.
    Log,
    /// The events as they were sent, a line each, and nothing else.
    Json,
}

/// How far the task was when that was last told.
struct Progress {
    data: serde_json::Value,
    told: Instant,
}

/// Writes what happens.
pub struct Printer<W: Write> {
    out: W,
    form: Form,
    is_coloured: bool,
    /// Whether the progress has a line of its own at the bottom.
    is_live: bool,
    progress: Option<Progress>,
    /// Why something could not be written: the first reason.
    fault: Option<io::Error>,
    columns: fn() -> usize,
}

impl Printer<Stdout> {
    /// Writes to stdout: with colours on a terminal, unless the user wants none (`NO_COLOR`).
    #[must_use]
    pub fn stdout(form: Form) -> Self {
        let out = std::io::stdout();
        let is_terminal = out.is_terminal();
        let wants_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self::new(out, form, is_terminal && wants_colour, is_terminal && form == Form::Short)
    }

    /// Whether nobody reads any more: the pipe's other end is closed. Known before anything is written in vain.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        let is_broken = self.fault.as_ref().is_some_and(|fault| fault.kind() == ErrorKind::BrokenPipe);
        // To be told of errors, nothing has to be asked for.
        let mut stdout = [PollFd::new(&self.out, PollFlags::empty())];
        let told = poll(&mut stdout, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        is_broken || told.is_ok() && stdout.iter().any(|stdout| stdout.revents().contains(PollFlags::ERR))
    }
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(USUAL_COLUMNS)
}

impl<W: Write> Printer<W> {
    /// Writes to anything. `is_live` says that it is a terminal, whose last line can be written again.
    pub fn new(out: W, form: Form, is_coloured: bool, is_live: bool) -> Self {
        Self { out, form, is_coloured, is_live, progress: None, fault: None, columns }
    }

    /// Whether people read it, and not programs.
    #[must_use]
    pub fn is_for_people(&self) -> bool {
        self.form != Form::Json
    }

    /// Why something could not be written since this was last asked; nothing if it all was, or nobody reads any more.
    pub fn take_fault(&mut self) -> Option<io::Error> {
        self.fault.take_if(|fault| fault.kind() != ErrorKind::BrokenPipe)
    }

    /// Shows an event.
    pub fn event(&mut self, event: &Event) {
        if self.form == Form::Json {
            return self.write(&format!("{}\n", event.text()));
        }
        if self.is_live && event.kind() == "progress" {
            self.progress = Some(Progress { data: event.data().clone(), told: Instant::now() });
            return self.tick();
        }
        if event.ends_the_task() {
            self.finish();
        }
        let time = match self.form {
            Form::Short | Form::Json => "",
            Form::Whole | Form::Log => event.timestamp(),
        };
        for line in readable::lines(event) {
            self.put(time, &line);
        }
    }

    /// Shows a line that is no event, to people only.
    pub fn line(&mut self, line: &Line) {
        if self.form != Form::Json {
            self.put("", line);
        }
    }

    /// Shows a line that is no event and must not be cut, such as a command to be pasted into a shell; to people only.
    pub fn whole(&mut self, line: &Line) {
        if self.form != Form::Json {
            self.finish();
            let text = self.labelled_text("", line, &line.short(usize::MAX));
            self.write(&format!("{text}\n"));
        }
    }

    /// Shows something to know, to people only.
    pub fn note(&mut self, text: &str) {
        self.line(&Line::new("note", Tone::Note, text));
    }

    /// Shows a text as it is, to people only.
    pub fn text(&mut self, text: &str) {
        self.finish();
        if self.form != Form::Json {
            self.write(text);
        }
    }

    /// Brings the time in the progress line up to date. To be called every second.
    pub fn tick(&mut self) {
        let Some(progress) = self.progress.as_ref().filter(|_| self.is_live) else { return };
        let told = progress.data["elapsed_time_ms"].as_u64().unwrap_or_default();
        let elapsed = Duration::from_millis(told) + progress.told.elapsed();
        let text = format!("{}, {} s", readable::counters(&progress.data), elapsed.as_secs());
        let room = (self.columns)().saturating_sub(MARGIN + 1);
        let line = self.labelled("", &Line::new("working", Tone::Aside, one_line(&text, room)));
        self.write(&format!("{CLEAR_LINE}{line}"));
    }

    /// Takes the progress line away. To be called before somebody else writes to the terminal.
    pub fn finish(&mut self) {
        if self.progress.take().is_some() {
            self.write(CLEAR_LINE);
        }
    }

    fn put(&mut self, time: &str, line: &Line) {
        let text = self.labelled(time, line);
        let clear = if self.progress.is_some() { CLEAR_LINE } else { "" };
        self.write(&format!("{clear}{text}\n"));
        self.tick();
    }

    fn labelled(&self, time: &str, line: &Line) -> String {
        let time = if time.is_empty() { String::new() } else { format!("{} ", one_line(time, usize::MAX)) };
        let text = match self.form {
            Form::Whole => line.whole(time.len() + MARGIN),
            Form::Short | Form::Log | Form::Json => line.short(MOST_CHARACTERS),
        };
        self.labelled_text(&time, line, &text)
    }

    fn labelled_text(&self, time: &str, line: &Line, text: &str) -> String {
        let label = one_line(&line.label, usize::MAX);
        if self.is_coloured {
            format!("{time}\x1b[{}m{label:>LABEL$}\x1b[0m  {text}", line.tone.colour())
        } else {
            format!("{time}{label:>LABEL$}  {text}")
        }
    }

    fn write(&mut self, text: &str) {
        if let Err(fault) = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            self.fault.get_or_insert(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(
        form: Form,
        is_coloured: bool,
        is_live: bool,
        act: impl Fn(&mut Printer<&mut Vec<u8>>),
    ) -> String {
        let mut out = Vec::new();
        act(&mut Printer { columns: || 40, ..Printer::new(&mut out, form, is_coloured, is_live) });
        String::from_utf8(out).expect("text")
    }

    fn event(kind: &str, data: &serde_json::Value) -> Event {
        let event = json!({"type": kind, "timestamp": "T", "seq": 1, "data": data});
        Event::read(&event.to_string()).expect("an event")
    }

    fn said(text: &str) -> Event {
        event("message", &json!({"message_type": "assistant", "content": text}))
    }

    #[test]
    fn colour_is_for_terminals_and_json_for_machines() {
        let say = |printer: &mut Printer<&mut Vec<u8>>| {
            printer.note("careful");
            printer.event(&said("a\nb"));
        };
        assert_eq!(written(Form::Short, false, false, say), "       note  careful\n      agent  a b\n");
        assert_eq!(
            written(Form::Short, true, false, say),
            "\u{1b}[33m       note\u{1b}[0m  careful\n\u{1b}[32m      agent\u{1b}[0m  a b\n"
        );
        assert_eq!(written(Form::Log, false, false, say), "       note  careful\nT       agent  a b\n");
        assert_eq!(
            written(Form::Whole, false, false, say),
            "       note  careful\nT       agent  a\n               b\n"
        );
        assert_eq!(written(Form::Json, false, false, say), format!("{}\n", said("a\nb").text()));
    }

    #[test]
    fn a_command_for_a_shell_is_never_cut() {
        let long = "x".repeat(MOST_CHARACTERS + 1);
        let line = Line::new("drop", Tone::Note, long.as_str());
        let whole = written(Form::Short, false, false, |printer| printer.whole(&line));
        assert_eq!(whole, format!("       drop  {long}\n"));
        let cut = written(Form::Short, false, false, |printer| printer.line(&line));
        assert_eq!(cut, format!("       drop  {}…\n", "x".repeat(MOST_CHARACTERS)));
    }

    /// Refuses everything, for one reason.
    struct Refusing(ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_told_once_unless_nobody_wants_it() {
        for (kind, told) in
            [(ErrorKind::StorageFull, Some(ErrorKind::StorageFull)), (ErrorKind::BrokenPipe, None)]
        {
            let mut printer = Printer::new(Refusing(kind), Form::Short, false, false);
            printer.note("a");
            assert_eq!(printer.take_fault().map(|fault| fault.kind()), told);
            assert!(printer.take_fault().is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_progress_line_stays_at_the_bottom_and_leaves() {
        let counters = json!({"turns": 1, "tokens_used": 20, "files_modified": 3, "elapsed_time_ms": 4_000});
        let shown = written(Form::Short, false, true, |printer| {
            printer.event(&event("progress", &counters));
            printer.event(&said("hi"));
            printer.event(&event("complete", &json!({"status": "completed"})));
            printer.tick();
        });
        let bottom = "\r\u{1b}[K    working  1 turns, 20 tokens, 3 file…";
        let end = "  completed  0 turns, 0 tokens, 0 files modified, 0.0 s, $0.0000\n";
        assert_eq!(shown, format!("{bottom}\r\u{1b}[K      agent  hi\n{bottom}\r\u{1b}[K{end}"));
    }
}

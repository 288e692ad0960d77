//! Where lines go: the terminal, which all runs share, and each run's record.

use std::io::Stdout;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::readable::{Line, lines};
use client::{Event, Form, Printer};

use crate::record::Record;

/// Stdout, shared by all runs.
#[derive(Clone)]
pub(crate) struct Screen(Arc<Mutex<Printer<Stdout>>>);

impl Screen {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Printer::stdout(Form::Short))))
    }

    /// Shows a line.
    pub(crate) fn line(&self, line: &Line) {
        self.printer().line(line);
    }

    /// Shows a line that must not be cut.
    pub(crate) fn whole(&self, line: &Line) {
        self.printer().whole(line);
    }

    /// Shows a text as it is.
    pub(crate) fn text(&self, text: &str) {
        self.printer().text(text);
    }

    fn printer(&self) -> MutexGuard<'_, Printer<Stdout>> {
        // Whoever panicked has written at most a part of a line.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one run tells.
pub(crate) struct Reporter {
    screen: Screen,
    /// Which of several runs it is: stands before what it says.
    name: Option<String>,
    pub(crate) record: Record,
}

impl Reporter {
    pub(crate) fn new(screen: Screen, name: Option<String>, record: Record) -> Self {
        Self { screen, name, record }
    }

    /// Shows a line, and keeps it.
    pub(crate) fn line(&mut self, line: &Line) {
        self.record.line(line);
        self.show(line);
    }

    /// Shows an event of the server, and keeps it as it came.
    pub(crate) fn event(&mut self, event: &Event) {
        self.record.event(event.text().as_bytes());
        let lines = lines(event);
        for line in &lines {
            self.record.line(line);
        }
        if self.name.is_none() {
            return self.screen.printer().event(event);
        }
        // The counters of several at once would hide what they do.
        if event.kind() != "progress" {
            for line in &lines {
                self.show(line);
            }
        }
    }

    /// Keeps a line of the CLI as it came, and shows what it says.
    pub(crate) fn raw(&mut self, text: &[u8], lines: &[Line]) {
        self.record.event(text);
        for line in lines {
            self.line(line);
        }
    }

    /// Brings the progress line up to date.
    pub(crate) fn tick(&self) {
        self.screen.printer().tick();
    }

    /// Takes the progress line away.
    pub(crate) fn finish(&self) {
        self.screen.printer().finish();
    }

    fn show(&self, line: &Line) {
        match &self.name {
            Some(name) => {
                let text = format!("[{name}] {}", line.text);
                self.screen.line(&Line { text, ..line.clone() });
            }
            None => self.screen.line(line),
        }
    }
}

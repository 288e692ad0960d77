//! Events as readable lines.

use std::io::{IsTerminal, Write};

use serde_json::Value;

/// Longest text that is shown of one event, in characters.
const MOST_CHARACTERS: usize = 300;

/// Writes events to stdout.
pub(super) struct Printer {
    colour: bool,
    quiet: bool,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { colour: std::io::stdout().is_terminal(), quiet: false }
    }

    /// Shows nothing but the end.
    pub(super) fn quiet() -> Self {
        Self { quiet: true, ..Self::new() }
    }

    pub(super) fn submitted(&self, id: &str) {
        self.line("task", "1", id);
    }

    pub(super) fn note(&self, text: &str) {
        self.line("note", "33", text);
    }

    pub(super) fn event(&self, event: &Value) {
        let data = &event["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let kind = event["type"].as_str().unwrap_or_default();
        if self.quiet && kind != "complete" {
            return;
        }
        match kind {
            "message" => self.message(data),
            "tool_use" => {
                self.line(
                    "tool",
                    "36",
                    &format!("{} {}", text("tool_name"), summary_of_input(&data["tool_input"])),
                );
            }
            "tool_result" if data["is_error"] == true => {
                self.line("refused", "31", &format!("{}: {}", text("tool_name"), text("content")));
            }
            "tool_result" => self.line("result", "90", text("content")),
            "progress" => self.line("progress", "90", &progress(data)),
            "error" => self.line("error", "31", text("error")),
            "complete" => self.complete(data),
            _ => {}
        }
    }

    fn message(&self, data: &Value) {
        let content = data["content"].as_str().unwrap_or_default();
        match data["message_type"].as_str().unwrap_or_default() {
            "assistant" => self.line("agent", "32", content),
            "thinking" => self.line("thinks", "90", content),
            "user" => self.line("told", "90", content),
            "system" if data["subtype"] == "init" => {
                let init = &data["data"];
                let text = |name: &str| init[name].as_str().unwrap_or("?");
                self.line(
                    "agent",
                    "32",
                    &format!("Claude Code {}, {}", text("claude_code_version"), text("model")),
                );
            }
            "system" if data["subtype"] == "api_retry" => {
                self.line("retry", "33", &format!("the model API answered {}", data["data"]["error_status"]));
            }
            _ => {}
        }
    }

    fn complete(&self, data: &Value) {
        let status = data["status"].as_str().unwrap_or_default();
        let colour = if status == "completed" { "1;32" } else { "1;31" };
        let cost = data["total_cost_usd"].as_f64().unwrap_or_default();
        self.line(status, colour, &format!("{}, ${cost:.4}", progress(data)));
        for error in data["errors"].as_array().into_iter().flatten() {
            self.line("error", "31", error.as_str().unwrap_or_default());
        }
    }

    fn line(&self, label: &str, colour: &str, text: &str) {
        let text = shortened(text);
        let mut stdout = std::io::stdout().lock();
        let written = if self.colour {
            writeln!(stdout, "\x1b[{colour}m{label:>11}\x1b[0m  {text}")
        } else {
            writeln!(stdout, "{label:>11}  {text}")
        };
        // Nobody reads any more: the task's exit code still tells.
        drop(written);
    }
}

fn progress(data: &Value) -> String {
    let seconds = data["elapsed_time_ms"].as_f64().unwrap_or_default() / 1000.0;
    format!(
        "{} turns, {} tokens, {} files modified, {seconds:.1} s",
        data["turns"], data["tokens_used"], data["files_modified"]
    )
}

/// The part of a tool's input that says most.
fn summary_of_input(input: &Value) -> String {
    let telling = ["command", "file_path", "path", "pattern", "url", "description"];
    let found = telling.iter().find_map(|name| input[*name].as_str());
    found.map_or_else(|| input.to_string(), str::to_owned)
}

/// One line without control characters, which could take over the terminal.
fn shortened(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_CHARACTERS).collect();
    if text.chars().nth(MOST_CHARACTERS).is_some() {
        line.push('…');
    }
    line
}

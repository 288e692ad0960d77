//! What the demo does with a prompt that has no directives: it makes a small file, runs it, and says so.

mod file_content;
mod wish;

use crate::directive::ToolCall;
use crate::request::{Conversation, ToolResult};
use crate::script::Step;
use wish::{Wish, wish};

/// The longest echo.
const ECHO_CHARS: usize = 200;

/// The next response to a prompt in plain language; it uses only tools that are offered.
pub(crate) fn step(conversation: &Conversation, offered: &[String]) -> Step {
    let offers = |name: &str| offered.iter().any(|tool| tool == name);
    let Some(wish) = wish(&conversation.prompt) else { return Step::text(echo(&conversation.prompt)) };
    if !offers("Write") {
        let name = &wish.file_name;
        return Step::text(format!("I would create {name}, but the Write tool is not offered to me."));
    }
    let written = conversation.tool_results.first();
    match (conversation.step, &wish.run) {
        (0, _) => write(&wish),
        (1, Some(command)) if offers("Bash") && written.is_some_and(|result| !result.is_error) => {
            let command = command.clone();
            Step { tools: vec![ToolCall::Bash { command, background: false }], ..Step::default() }
        }
        _ => Step::text(summary(&wish, &conversation.tool_results)),
    }
}

fn write(wish: &Wish) -> Step {
    let call = ToolCall::Write { path: wish.file_name.clone(), content: wish.content.clone() };
    Step { tools: vec![call], ..Step::text(format!("I'll create {}.", wish.file_name)) }
}

fn summary(wish: &Wish, results: &[ToolResult]) -> String {
    let name = &wish.file_name;
    let written = match results.first() {
        Some(result) if result.is_error => {
            return format!("I could not create {name}: {}", result.text.trim());
        }
        _ => format!("I created {name} ({} bytes)", wish.content.len()),
    };
    match (&wish.run, results.get(1)) {
        (None, _) => format!("{written}."),
        (Some(command), None) => {
            format!("{written}; I did not run `{command}`, as the Bash tool is not offered to me.")
        }
        (Some(command), Some(result)) if result.is_error => {
            format!("{written} and ran `{command}`, which failed: {}", result.text.trim())
        }
        (Some(command), Some(result)) => {
            format!("{written} and ran `{command}`, which printed: {}", result.text.trim())
        }
    }
}

fn echo(prompt: &str) -> String {
    let line: String = prompt.lines().next().unwrap_or_default().chars().take(ECHO_CHARS).collect();
    format!(
        "Echo: {line}\n\nI am the scripted demo model. I create small files when asked to, and understand [[...]] directives."
    )
}

#[cfg(test)]
#[path = "plain_language/tests.rs"]
mod tests;

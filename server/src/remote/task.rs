//! `task`: where a task is, and what came of it.

use anyhow::Context;
use api::{TaskStatusResponse, WaitingReason};
use client::readable::{Line, Tone, progress};
use client::{Form, Printer};
use domain::TaskStatus;

use super::{EXIT_DONE, brief_client_of, say_json, written};
use crate::cli::TaskArguments;

/// Shows a task.
pub(super) async fn show(arguments: &TaskArguments) -> anyhow::Result<u8> {
    let task = brief_client_of(&arguments.server)?.task(&arguments.id).await?;
    if arguments.json {
        say_json(&task)?;
        return Ok(EXIT_DONE);
    }
    let mut printer = Printer::stdout(Form::Whole);
    for line in lines(&task)? {
        printer.line(&line);
    }
    written(&mut printer)?;
    Ok(EXIT_DONE)
}

fn lines(task: &TaskStatusResponse) -> anyhow::Result<Vec<Line>> {
    let plain = |label: &str, text: String| Line::new(label, Tone::Aside, text);
    let counters = serde_json::to_value(task.progress).context("the counters cannot be read")?;
    let mut lines = vec![
        Line::new("task", Tone::Plain, task.task_id.as_str()),
        Line::new("status", tone(task.status), status(task)),
        plain("session", task.session_id.to_string()),
        plain("workspace", task.workspace.clone()),
        plain("created", task.created_at.to_string()),
    ];
    lines.extend(task.started_at.map(|at| plain("started", at.to_string())));
    lines.push(plain("updated", task.updated_at.to_string()));
    lines.push(plain("progress", progress(&counters)));
    lines.extend(task.question.as_ref().map(|question| {
        let what = question.description.as_ref().unwrap_or(&question.tool_name);
        let text = format!("{what} ({}), until {}", question.question_id, question.expires_at);
        Line::new("question", Tone::Note, text)
    }));
    if let Some(result) = &task.result {
        lines.push(plain("result", format!("exit code {}, ${:.4}", result.exit_code, result.total_cost_usd)));
        lines.extend(result.errors.iter().map(|error| Line::new("error", Tone::Bad, error.as_str())));
        if !result.summary.is_empty() {
            lines.push(Line::new("agent", Tone::Agent, result.summary.as_str()));
        }
    }
    Ok(lines)
}

fn tone(status: TaskStatus) -> Tone {
    match status {
        TaskStatus::Pending | TaskStatus::Running => Tone::Note,
        TaskStatus::Completed => Tone::Success,
        TaskStatus::Failed | TaskStatus::Interrupted => Tone::Failure,
    }
}

fn status(task: &TaskStatusResponse) -> String {
    let status = task.status.as_str();
    if let Some(waiting) = task.waiting {
        let reason = match waiting.reason {
            WaitingReason::RateLimit => "until the model API takes requests again",
            WaitingReason::Retry => "for another attempt",
            WaitingReason::CutOff => "to be taken up again",
            WaitingReason::Answer => "for an answer",
        };
        return format!("{status}, waits {reason}, {} at the earliest", waiting.until);
    }
    match task.queue_position {
        Some(place) => format!("{status}, at place {place}"),
        None if task.attempt > 1 => format!("{status}, attempt {}", task.attempt),
        None => status.to_owned(),
    }
}

//! `run`: a task from the command line.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, ensure};
use api::{OptionsRequest, SessionRequest, TaskRequest, TaskResponse};
use client::readable::{Line, Tone};
use client::{Client, ClientError, Form, Printer};
use tokio::time::timeout;

use super::leaving::{Signals, Why};
use super::{EXIT_DONE, client_of, complain, following, say, say_json};
use crate::cli::RunArguments;

/// How long a submission that is no longer wanted may take to be known.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// The prompt that means "it is on stdin".
const STDIN: &str = "-";
/// Above what any server takes.
const MAX_PROMPT_BYTES: u64 = 64 * 1024 * 1024;

/// Runs a task; gives its exit code.
pub(super) async fn run(arguments: &RunArguments) -> anyhow::Result<u8> {
    let client = client_of(&arguments.server)?;
    let id = arguments.task_id.as_ref().map_or_else(client::new_task_id, ToString::to_string);
    let request = request(arguments, &id)?;
    let mut signals = Signals::listen()?;
    let (task, unwanted) = match submit(&client, request, &id, &mut signals).await? {
        Submitted::Known(task, unwanted) => (task, unwanted),
        Submitted::Left(why) => return Ok(why.exit_code()),
    };
    if arguments.detach && unwanted.is_none() {
        if arguments.json {
            say_json(&task)?
        } else {
            say(&format!("{}\n", task.task_id))?
        }
        return Ok(EXIT_DONE);
    }
    let mut printer = Printer::stdout(if arguments.json { Form::Json } else { Form::Short });
    printer.line(&Line::new("task", Tone::Plain, task.task_id.as_str()));
    if let Some(place) = task.queue_position {
        printer.note(&format!("waits for its turn, at place {place}"));
    }
    following::attend(&client, &task.task_id, &mut signals, unwanted, &mut printer).await
}

/// What became of a submission.
enum Submitted {
    /// It was admitted, and whether that is no longer wanted.
    Known(TaskResponse, Option<Why>),
    /// It was left, admitted or not.
    Left(Why),
}

/// Submits the task. A signal waits a while for the answer: what may have been admitted has to be known to be stopped. A second
/// one leaves.
async fn submit(
    client: &Client,
    request: TaskRequest,
    id: &str,
    signals: &mut Signals,
) -> anyhow::Result<Submitted> {
    let mut submitting = Box::pin(client.submit(request));
    let why = tokio::select! {
        task = &mut submitting => return Ok(Submitted::Known(known(task, id)?, None)),
        why = signals.next() => why,
    };
    complain(&format!("{}interrupting what is being submitted; Ctrl-C again leaves at once", why.reason()));
    let task = tokio::select! {
        task = timeout(KNOWN_WITHIN, submitting) => task.ok(),
        _ = signals.next() => None,
    };
    if let Some(task) = task {
        return Ok(Submitted::Known(known(task, id)?, Some(why)));
    }
    complain(&format!(
        "left: the task may have been admitted as {id}; `claude-code-server interrupt {id}` stops it"
    ));
    Ok(Submitted::Left(why))
}

/// A submission's answer; an error says under which id it may have been admitted all the same.
fn known(answer: Result<TaskResponse, ClientError>, id: &str) -> anyhow::Result<TaskResponse> {
    answer.map_err(|error| {
        if !error.leaves_open() {
            return error.into();
        }
        anyhow::Error::from(error).context(format!(
            "the task may have been admitted as {id}: the same command with --task-id {id} follows it and runs it no second time"
        ))
    })
}

/// The prompt, from stdin if it is `-`.
fn prompt(argument: &str) -> anyhow::Result<String> {
    if argument != STDIN {
        return Ok(argument.to_owned());
    }
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(MAX_PROMPT_BYTES + 1).read_to_end(&mut text);
    read.context("the prompt cannot be read from stdin")?;
    ensure!(text.len() as u64 <= MAX_PROMPT_BYTES, "the prompt on stdin is too long: shorten it");
    String::from_utf8(text).context("the prompt on stdin is no UTF-8 text: convert it")
}

fn request(arguments: &RunArguments, id: &str) -> anyhow::Result<TaskRequest> {
    let workspace = arguments.workspace.canonicalize().with_context(|| {
        format!("--workspace {} is not there: make the folder first", arguments.workspace.display())
    })?;
    let workspace = workspace.to_str().context("--workspace is no UTF-8 path: give it another name")?;
    Ok(TaskRequest {
        task_id: Some(id.to_owned()),
        prompt: prompt(&arguments.prompt)?,
        workspace: workspace.to_owned(),
        options: OptionsRequest {
            timeout: arguments.timeout,
            model: arguments.model.clone(),
            ..OptionsRequest::default()
        },
        session: SessionRequest {
            reuse_existing: arguments.session.is_some(),
            session_id: arguments.session.clone(),
            ..SessionRequest::default()
        },
        ..TaskRequest::default()
    })
}

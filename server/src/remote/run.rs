//! `run`: a task from the command line.

use anyhow::Context;
use api::{OptionsRequest, SessionRequest, TaskRequest, TaskResponse};
use client::readable::{Line, Tone};
use client::{Client, Form, Printer};
use tokio::signal::unix::Signal;

use super::{EXIT_DONE, client_of, following, say};
use crate::cli::RunArguments;

/// Runs a task; gives its exit code.
pub(super) async fn run(arguments: &RunArguments) -> anyhow::Result<u8> {
    let client = client_of(&arguments.server)?;
    let request = request(arguments)?;
    let mut ctrl_c = following::ctrl_c()?;
    let Some((task, is_unwanted)) = submit(&client, request, &mut ctrl_c).await? else {
        return Ok(following::EXIT_LEFT);
    };
    if arguments.detach {
        let answer = if arguments.json {
            serde_json::to_string(&task).context("the answer cannot be written")?
        } else {
            task.task_id.to_string()
        };
        say(&format!("{answer}\n"));
        return Ok(EXIT_DONE);
    }
    let mut printer = Printer::stdout(if arguments.json { Form::Json } else { Form::Short });
    printer.line(&Line::new("task", Tone::Plain, task.task_id.as_str()));
    if let Some(place) = task.queue_position {
        printer.note(&format!("waits for its turn, at place {place}"));
    }
    following::attend(&client, &task.task_id, &mut ctrl_c, is_unwanted, &mut printer).await
}

/// Submits the task, and says whether Ctrl-C came meanwhile: what may have been admitted has to be known to be stopped. A
/// second one leaves.
async fn submit(
    client: &Client,
    request: TaskRequest,
    ctrl_c: &mut Signal,
) -> anyhow::Result<Option<(TaskResponse, bool)>> {
    let mut submitting = Box::pin(client.submit(request));
    tokio::select! {
        task = &mut submitting => return Ok(Some((task?, false))),
        _ = ctrl_c.recv() => {}
    }
    tokio::select! {
        task = &mut submitting => Ok(Some((task?, true))),
        _ = ctrl_c.recv() => Ok(None),
    }
}

fn request(arguments: &RunArguments) -> anyhow::Result<TaskRequest> {
    let workspace = arguments.workspace.canonicalize().with_context(|| {
        format!("--workspace {} is not there: make the folder first", arguments.workspace.display())
    })?;
    let workspace = workspace.to_str().context("--workspace is no UTF-8 path: give it another name")?;
    Ok(TaskRequest {
        task_id: arguments.task_id.as_ref().map(ToString::to_string),
        prompt: arguments.prompt.clone(),
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

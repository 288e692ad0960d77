//! Commands that are a client of a running server.

mod following;
mod leaving;
mod lists;
mod logs;
mod run;
mod task;

use std::io::{ErrorKind, Stdout, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use client::readable::harmless;
use client::{Client, Form, Interrupted, Printer};

use crate::cli::{InterruptArguments, Remote, ServerArguments};

/// Nothing could be done: a wrong argument, no server, a refusal, a server that went away.
const EXIT_REFUSED: u8 = 2;
const EXIT_DONE: u8 = 0;
/// For how long a command that follows nothing asks again.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);

/// Does what the command says; ends with the task's exit code where it waits for a task.
pub(crate) fn main(command: Remote) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .context("the runtime could not be started")
        .and_then(|runtime| runtime.block_on(Box::pin(done(command))));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(EXIT_REFUSED)
        }
    }
}

async fn done(command: Remote) -> anyhow::Result<u8> {
    match command {
        Remote::Run(arguments) => run::run(&arguments).await,
        Remote::Tasks(arguments) => lists::tasks(&arguments).await,
        Remote::Task(arguments) => task::show(&arguments).await,
        Remote::Watch(arguments) => {
            let client = client_of(&arguments.server)?;
            let form = if arguments.json { Form::Json } else { Form::Short };
            following::watch(&client, &arguments.id, arguments.after, form).await
        }
        Remote::Interrupt(arguments) => interrupt(&arguments).await,
        Remote::Sessions(arguments) => lists::sessions(&arguments).await,
        Remote::Logs(arguments) => logs::logs(&arguments).await,
    }
}

/// A client that outlasts a server's restart.
fn client_of(server: &ServerArguments) -> anyhow::Result<Client> {
    let client = Client::new(&server.server, server.api_key.as_deref())?;
    Ok(client.on_wait(complain))
}

/// A client for a command that somebody waits for and can give again.
fn brief_client_of(server: &ServerArguments) -> anyhow::Result<Client> {
    Ok(client_of(server)?.with_patience(SHORT_PATIENCE))
}

async fn interrupt(arguments: &InterruptArguments) -> anyhow::Result<u8> {
    let client = brief_client_of(&arguments.server)?;
    let id = &arguments.id;
    let answer = client.interrupt(id).await?;
    if arguments.json {
        match answer {
            Interrupted::Stopped(answer) => say_json(&answer)?,
            Interrupted::HadEnded => {
                let status = client.task(id).await?.status;
                say_json(&serde_json::json!({"task_id": id, "status": status, "interrupted_at": null}))?;
            }
        }
        return Ok(EXIT_DONE);
    }
    let answer = match answer {
        Interrupted::Stopped(answer) => format!("the task {id} is {}", answer.status.as_str()),
        Interrupted::HadEnded => format!("the task {id} had already ended"),
    };
    let mut printer = Printer::stdout(Form::Short);
    printer.note(&answer);
    written(&mut printer)?;
    Ok(EXIT_DONE)
}

/// Writes to stderr, since stdout belongs to the answer. What a server says cannot take over the terminal.
fn complain(what: &str) {
    // A stderr that is gone has nobody to tell.
    drop(writeln!(std::io::stderr(), "claude-code-server: {}", harmless(what)));
}

/// Writes to stdout. When nobody reads any more, there is nobody to tell.
fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritten(error)),
        _ => Ok(()),
    }
}

/// Writes a line of JSON to stdout.
fn say_json<T: serde::Serialize>(answer: &T) -> anyhow::Result<()> {
    let line = serde_json::to_string(answer).context("the answer cannot be written")?;
    say(&format!("{line}\n"))
}

/// Whether all that was printed could be written, or nobody reads it any more.
fn written(printer: &mut Printer<Stdout>) -> anyhow::Result<()> {
    printer.take_fault().map_or(Ok(()), |fault| Err(unwritten(fault)))
}

fn unwritten(error: std::io::Error) -> anyhow::Error {
    anyhow::Error::from(error).context("stdout cannot be written: the output is not complete")
}

//! `logs`: what a task's log holds.

use client::{Form, Printer};

use super::leaving::Why;
use super::{EXIT_DONE, brief_client_of, client_of, following, written};
use crate::cli::LogsArguments;

/// Shows the events that there are; with `--follow` also those to come.
pub(super) async fn logs(arguments: &LogsArguments) -> anyhow::Result<u8> {
    let form = match (arguments.json, arguments.full) {
        (true, _) => Form::Json,
        (false, true) => Form::Whole,
        (false, false) => Form::Log,
    };
    if arguments.follow {
        let client = client_of(&arguments.server)?;
        return following::watch(&client, &arguments.id, arguments.after, form).await;
    }
    let client = brief_client_of(&arguments.server)?;
    let mut printer = Printer::stdout(form);
    let mut after = arguments.after;
    loop {
        let page = client.events(&arguments.id, after).await?;
        for event in &page.events {
            printer.event(event);
        }
        written(&mut printer)?;
        if page.is_complete || page.events.is_empty() {
            return Ok(EXIT_DONE);
        }
        if printer.is_unread() {
            return Ok(Why::Unread.exit_code());
        }
        after = page.next_after;
    }
}

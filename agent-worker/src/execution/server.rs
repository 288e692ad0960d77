//! By a Claude Code Server.

use std::future::pending;
use std::pin::{Pin, pin};
use std::time::Duration;

use api::{CompleteData, OptionsRequest, TaskRequest};
use client::readable::{Line, Tone};
use client::{Client, ClientError, Event, Followed, Follower, Interrupted};
use domain::{Labels, OnRestart, TaskId};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{AgentOptions, Execution, NotBegun};
use crate::jobs::Job;
use crate::place::Place;
use crate::screen::Reporter;
use crate::summary::{FAILED, INTERRUPTED, TokenUsage};

/// The label under which the server lists what workers have submitted.
const LABEL: &str = "agent-worker";
const TICK: Duration = Duration::from_secs(1);
/// How long a submission may still be answered once the worker was told to stop: an interrupt needs to know the task.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Submits the task, and follows it to its end. A stop interrupts it.
pub(crate) async fn run(
    client: &Client,
    request: TaskRequest,
    stop: &CancellationToken,
    reporter: &mut Reporter,
) -> Result<Execution, NotBegun> {
    let workspace = request.workspace.clone();
    let id = request.task_id.clone().unwrap_or_default();
    let submitted = tokio::select! {
        submitted = client.submit(request) => submitted,
        () = patience_after(stop) => {
            let text = format!("interrupted before the server had answered: it may run the task {id}, so look there");
            return Ok(Execution { exit_code: INTERRUPTED, errors: vec![text], ..Execution::default() });
        }
    };
    let task = match submitted {
        Ok(task) => task,
        // It may have been admitted: then an agent may be at work.
        Err(error @ ClientError::Lost { .. }) => return Ok(lost(Execution::default(), &error, stop)),
        Err(error) => return Err(NotBegun(refusal(&error, &workspace))),
    };
    reporter.line(&Line::new("task", Tone::Plain, task.task_id.as_str()));
    if let Some(place) = task.queue_position {
        reporter.line(&Line::new("note", Tone::Note, format!("waits for its turn, at place {place}")));
    }
    let begun = Execution {
        task_id: Some(task.task_id.to_string()),
        session_id: Some(task.session_id.to_string()),
        ..Execution::default()
    };
    let execution = follow(client, &task.task_id, begun, stop, reporter).await;
    reporter.finish();
    Ok(execution)
}

/// Ends when a stop has been waiting for an answer to the submission for long enough.
async fn patience_after(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(ANSWER_WITHIN).await;
}

/// A stop's way to the server; `None` once that has answered.
type Interrupting<'a> = Option<Pin<Box<dyn Future<Output = Result<Interrupted, ClientError>> + 'a>>>;

async fn follow(
    client: &Client,
    task: &TaskId,
    mut execution: Execution,
    stop: &CancellationToken,
    reporter: &mut Reporter,
) -> Execution {
    let mut interrupting: Interrupting<'_> = Some(Box::pin(async {
        stop.cancelled().await;
        client.interrupt(task).await
    }));
    let mut follower = client.follow(task, 0);
    loop {
        match next(&mut follower, &mut interrupting, reporter).await {
            Ok(Some(Followed::Event(event))) => {
                reporter.event(&event);
                if event.ends_the_task() {
                    return ended(execution, &event);
                }
                note_tokens(&mut execution, &event);
            }
            Ok(Some(Followed::Lost(why))) => {
                reporter.line(&Line::new("note", Tone::Note, format!("connecting again: {why}")));
            }
            Ok(None) => return execution,
            Err(error) => return lost(execution, &error, stop),
        }
    }
}

/// What the follower tells next. Meanwhile a stop is passed on, and the progress line kept up to date.
async fn next(
    follower: &mut Follower<'_>,
    interrupting: &mut Interrupting<'_>,
    reporter: &mut Reporter,
) -> Result<Option<Followed>, ClientError> {
    let mut next = pin!(follower.next());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let answer = async {
            match interrupting {
                Some(interrupting) => interrupting.await,
                None => pending().await,
            }
        };
        tokio::select! {
            followed = &mut next => return followed,
            _ = tick.tick() => reporter.tick(),
            answer = answer => {
                *interrupting = None;
                if let Err(error) = answer {
                    let text = format!("the task cannot be interrupted: {error}");
                    reporter.line(&Line::new("note", Tone::Note, text));
                }
            }
        }
    }
}

/// For the case that the end is never told.
fn note_tokens(execution: &mut Execution, event: &Event) {
    if event.kind() == "progress" {
        let count = |name: &str| event.data()[name].as_u64().unwrap_or_default();
        let (input, output) = (count("tokens_input"), count("tokens_output"));
        execution.tokens = TokenUsage { total: count("tokens_used"), input, output };
    }
}

fn ended(execution: Execution, event: &Event) -> Execution {
    let exit_code = event.exit_code().unwrap_or(FAILED);
    let Some(CompleteData { summary, errors, total_cost_usd, progress, .. }) = event.completion() else {
        let errors = vec!["the server's last event cannot be read: it has another version".to_owned()];
        return Execution { exit_code, errors, ..execution };
    };
    let tokens = TokenUsage {
        total: progress.tokens_used,
        input: progress.tokens_input,
        output: progress.tokens_output,
    };
    Execution { exit_code, tokens, total_cost_usd, summary, errors, ..execution }
}

/// The server went away, or refuses to tell more. The task may go on there.
fn lost(execution: Execution, error: &ClientError, stop: &CancellationToken) -> Execution {
    let exit_code = if stop.is_cancelled() { INTERRUPTED } else { FAILED };
    Execution { exit_code, errors: vec![error.to_string()], ..execution }
}

fn refusal(error: &ClientError, workspace: &str) -> String {
    match error.code() {
        Some("workspace_not_allowed" | "workspace_not_found") => format!(
            "the server may not work in {workspace}: {error}. Start it with WORKSPACE_ROOTS that hold the folder, on a machine \
             that has it, or choose another folder with --worktrees"
        ),
        _ => format!("the server refused the task: {error}"),
    }
}

/// What the server is asked for. A task that the server's end cuts off goes on when the server is back.
pub(crate) fn request(job: &Job, place: &Place, options: &AgentOptions, run_id: &str) -> TaskRequest {
    let mut labels = Labels::default();
    // A run's id fits.
    labels.set(LABEL, run_id).ok();
    TaskRequest {
        task_id: Some(format!("worker-{run_id}")),
        prompt: job.prompt.clone(),
        workspace: place.workspace.to_string_lossy().into_owned(),
        options: OptionsRequest {
            allowed_tools: options.allowed_tools.clone(),
            permission_mode: options.permission_mode,
            max_turns: options.max_turns,
            timeout: Some(job.timeout),
            model: options.model.clone(),
            on_restart: Some(OnRestart::Resume),
            ..OptionsRequest::default()
        },
        labels,
        ..TaskRequest::default()
    }
}

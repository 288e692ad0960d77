//! What becomes of the tasks that ran when an earlier server ended.

use api::{ErrorData, EventBody};
use domain::{ConversationId, Ending, OnRestart, Outcome};
use store::{Claimed, CommitError, Doom, Doomed, Release, StoreError, TaskRecord, WaitReason, Waiting};

use crate::run::{Deps, EventLog, questions_of};

/// A task that was cut off so often is not carried on again: it may be what ends the server.
const MOST_ATTEMPTS: u32 = 50;

/// Ends or puts back every task that ran under a lease of an earlier process. To be called before anything is claimed, and again
/// after an error: what was done counts, and what is left comes again.
pub(crate) async fn recover(deps: &Deps) -> Result<(), StoreError> {
    let mut failure = Ok(());
    for claimed in deps.store.take_over(deps.clock.now()).await? {
        // One that cannot be written holds up no other.
        if let Err(error) = recover_and_release(deps, &claimed).await {
            failure = Err(error);
        }
    }
    failure
}

async fn recover_and_release(deps: &Deps, claimed: &Claimed) -> Result<(), StoreError> {
    let task_id = &claimed.task.spec.task_id;
    match recover_task(deps, claimed).await {
        Ok(()) => {}
        Err(CommitError::Store(error)) => return Err(error),
        Err(error) => tracing::error!(%task_id, %error, "a task of an earlier server could not be ended"),
    }
    let (session_id, conversation) = (claimed.task.session_id.clone(), written(deps, &claimed.task).await);
    let now = deps.clock.now();
    deps.store.release(Release { session_id, token: claimed.token, conversation, now }).await
}

/// The conversation that a task's last agent has written, if there is something to resume: the model need not have answered.
async fn written(deps: &Deps, task: &TaskRecord) -> Option<ConversationId> {
    let written = task.conversation?;
    deps.agents.launcher().has_conversation(&task.spec.principal, written).await.then_some(written)
}

async fn recover_task(deps: &Deps, claimed: &Claimed) -> Result<(), CommitError> {
    let task = &claimed.task;
    let mut log = EventLog::new(deps, task, Some(claimed.token));
    let resumes = task.spec.policy.on_restart == OnRestart::Resume
        && task.interrupt_requested_at.is_none()
        && task.attempt.saturating_sub(questions_of(task)) < MOST_ATTEMPTS;
    if resumes {
        let waiting = Waiting { reason: WaitReason::CutOff, until: deps.clock.now() };
        return log.put_back(waiting, false, None, task.progress, task.cost_usd).await;
    }
    let reason = if task.interrupt_requested_at.is_some() {
        "interrupted by request"
    } else {
        "interrupted: the server that ran it ended unexpectedly"
    };
    let outcome = Outcome {
        ending: Ending::Interrupted,
        summary: String::new(),
        errors: vec![reason.to_owned()],
        total_cost_usd: task.cost_usd,
    };
    log.finish(outcome, task.progress).await
}

/// Ends a waiting task that is not to run.
pub(crate) async fn end_doomed(deps: &Deps, doomed: Doomed) -> Result<(), CommitError> {
    let Doomed { task, reason } = doomed;
    let mut log = EventLog::new(deps, &task, None);
    let (ending, reason) = match reason {
        Doom::InterruptRequested if task.attempt == 0 => {
            (Ending::Interrupted, "interrupted before it started".to_owned())
        }
        Doom::InterruptRequested => (Ending::Interrupted, "interrupted by request".to_owned()),
        Doom::DependencyEnded(dependency, status) => {
            let status = status.as_str();
            let error = format!("the task {dependency}, which it depends on, has {status}");
            let error = error.replace("has interrupted", "was interrupted");
            let data = ErrorData { error: error.clone(), code: "dependency_failed", retryable: false };
            log.gather(&EventBody::Error(data));
            (Ending::Failed, error)
        }
    };
    let outcome =
        Outcome { ending, summary: String::new(), errors: vec![reason], total_cost_usd: task.cost_usd };
    log.finish(outcome, task.progress).await
}

/// Ends a waiting task of a store that forgets, when the server stops.
pub(crate) async fn end_at_shutdown(deps: &Deps, task: &TaskRecord) -> Result<(), CommitError> {
    let mut log = EventLog::new(deps, task, None);
    let outcome = Outcome {
        ending: Ending::Interrupted,
        summary: String::new(),
        errors: vec!["interrupted: the server was stopped".to_owned()],
        total_cost_usd: task.cost_usd,
    };
    log.finish(outcome, task.progress).await
}

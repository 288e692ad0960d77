//! Runs one attempt from the claim to the release. The only writer of the task and its session.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use agent::{LaunchError, StopReceipt, Urgency};
use api::{ErrorData, EventBody};
use domain::{Clock, ConversationId, Ending, LeaseToken, Outcome};
use futures_util::FutureExt;
use store::{Claimed, CommitError, Release, Signal, Store};
use telemetry::{AttemptTrace, Metrics, Traces};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::drive::Drive;
use super::log::EventLog;
use super::machine::{Farewell, Input, Timer};
use super::messages::{self, Earlier, Inboxes};
use super::plan::{Plan, agent_spec, opening};
use super::survey::Survey;
use super::traced::attempt_trace;
use super::wire;
use crate::agents::{Agents, AtWork, Slot, Unobtained};
use crate::lease;
use crate::patience::patiently;
use crate::settings::Settings;

/// What every run needs.
pub(crate) struct Deps {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) traces: Traces,
    /// Where workers take messages for their agents.
    pub(crate) inboxes: Inboxes,
    /// Cancelled when running tasks have to end.
    pub(crate) stop_tasks: CancellationToken,
}

/// A conversation that cannot be looked through by then is in a file system that hangs.
const OPENING_WITHIN: Duration = Duration::from_secs(60);
/// A storage that does not take the end of a task or a session is asked again this often.
const END_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long what cannot be ended may hold up the server's stop.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Runs a claimed task until it has ended or waits for another attempt, and gives its session back. Never panics.
pub(crate) async fn run(deps: Arc<Deps>, claimed: Claimed, slot: Slot) {
    let mut after = After::default();
    let attempted = attempt(&deps, &claimed, slot, &mut after).await;
    if let Err(WorkerError::LeaseLost) = attempted {
        // Whoever has the task now writes what becomes of it.
        return end_at_once(&deps, &claimed, after.agent).await;
    }
    if let Err(error) = attempted {
        tracing::error!(task_id = %claimed.task.spec.task_id, %error, "the task's worker failed");
        if let Some(at_work) = after.agent.take() {
            report(&deps, &claimed, &deps.agents.end(at_work, Urgency::Now).await);
        }
        persist(&deps, &claimed, End::Task(&error)).await;
    }
    let session = &claimed.task.session_id;
    match (after.agent.take(), after.farewell, after.receipt) {
        // It has ended already.
        (Some(at_work), _, Some(receipt)) => {
            drop(at_work);
            report(&deps, &claimed, &receipt);
        }
        (Some(at_work), Farewell::Keep, None) => deps.agents.keep(session, at_work).await,
        (Some(at_work), Farewell::Stop(urgency), None) => {
            report(&deps, &claimed, &deps.agents.end(at_work, urgency).await);
        }
        (None, ..) => {}
    }
    let release = Release {
        session_id: session.clone(),
        token: claimed.token,
        conversation: after.conversation,
        now: deps.clock.now(),
    };
    persist(&deps, &claimed, End::Session(release)).await;
}

async fn end_at_once(deps: &Deps, claimed: &Claimed, agent: Option<AtWork>) {
    tracing::error!(task_id = %claimed.task.spec.task_id, "the lease is lost: the task is left to another server");
    if let Some(at_work) = agent {
        report(deps, claimed, &deps.agents.end(at_work, Urgency::Now).await);
    }
}

/// What is left after an attempt.
struct After {
    agent: Option<AtWork>,
    farewell: Farewell,
    /// Of the agent's end, if it has ended.
    receipt: Option<StopReceipt>,
    /// What the session's next task can resume.
    conversation: Option<ConversationId>,
}

impl Default for After {
    fn default() -> Self {
        Self { agent: None, farewell: Farewell::Stop(Urgency::Now), receipt: None, conversation: None }
    }
}

/// A worker that could not do its work.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("the task could not be written: {0}")]
    Commit(#[from] CommitError),
    #[error("it panicked")]
    Panicked,
    #[error("the lease is lost")]
    LeaseLost,
}

/// A panic as an error: what was begun can still be ended in order.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, WorkerError> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| WorkerError::Panicked)
}

/// Waits until somebody wants the task stopped, or the server is about to stop.
async fn stop_wanted(deps: &Deps, token: LeaseToken, signal: &mut watch::Receiver<Signal>) -> Input {
    let interrupt = async {
        // A store that no longer tells of the task has dropped it: the next commit says so.
        let is_told = signal.wait_for(|signal| signal.interrupt_requested).await.is_ok();
        if !is_told {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = interrupt => Input::InterruptRequested,
        () = deps.stop_tasks.cancelled() => Input::ShutdownRequested,
        () = lease::lost(&*deps.store, token) => Input::ShutdownRequested,
    }
}

/// Gets an agent for the task. It may have to wait for a permit, and the task need not wait with it.
async fn launch(
    deps: &Deps,
    claimed: &Claimed,
    slot: Slot,
    plan: &mut Plan,
    mut signal: watch::Receiver<Signal>,
) -> Result<AtWork, Unobtained<Input>> {
    let opening = tokio::select! {
        biased;
        opening = timeout(OPENING_WITHIN, opening(claimed, deps.agents.launcher(), plan)) => {
            let hangs = || LaunchError::NotStarted("its conversation cannot be read: no answer".to_owned());
            opening.map_err(|_| hangs())??
        }
        cause = stop_wanted(deps, claimed.token, &mut signal) => return Err(Unobtained::CutOff(cause)),
    };
    if claimed.task.attempt > 1 {
        let written = claimed.task.conversation;
        plan.messages = tokio::select! {
            biased;
            // Then nothing is started.
            () = lease::lost(&*deps.store, claimed.token) => Earlier::default(),
            earlier = patiently(|| messages::earlier(deps, claimed, written)) => {
                earlier.map_err(|error| LaunchError::NotStarted(format!("its log cannot be read: {error}")))?
            }
        };
    }
    // Whoever asks is parked, and there must be an end to those.
    plan.may_ask &= has_room_for_questions(deps).await;
    let spec = agent_spec(claimed, opening, plan);
    if let Some(folder) = deps.settings.folders.forbidden(&spec) {
        let detail = format!("{} is not under a folder that this server permits", folder.display());
        return Err(LaunchError::NotStarted(detail).into());
    }
    let stop_wanted = stop_wanted(deps, claimed.token, &mut signal);
    deps.agents.obtain(slot, &claimed.task.session_id, spec, stop_wanted).await
}

async fn has_room_for_questions(deps: &Deps) -> bool {
    // A storage that fails says nothing about room: what is committed next will tell.
    deps.store.counts(deps.clock.now()).await.map_or(true, |counts| counts.parked < deps.settings.max_pending)
}

/// How the workspace is before the work begins. Who wants the task stopped does not wait for that.
async fn survey(deps: &Deps, claimed: &Claimed, mut signal: watch::Receiver<Signal>) -> Option<Survey> {
    tokio::select! {
        biased;
        _ = stop_wanted(deps, claimed.token, &mut signal) => None,
        survey = Survey::of(&claimed.task.spec.working_directory) => survey,
    }
}

async fn attempt(
    deps: &Arc<Deps>,
    claimed: &Claimed,
    slot: Slot,
    after: &mut After,
) -> Result<(), WorkerError> {
    let task_id = &claimed.task.spec.task_id;
    let signal = tokio::select! {
        biased;
        () = lease::lost(&*deps.store, claimed.token) => return Err(WorkerError::LeaseLost),
        signal = patiently(|| deps.store.watch(task_id)) => signal.map_err(CommitError::from)?,
    };
    let signal = signal.ok_or(CommitError::Unknown)?;
    let mut plan = Plan::new(claimed, &deps.settings, deps.store.is_durable(), &*deps.clock);
    let trace = attempt_trace(&deps.traces, &claimed.task, deps.clock.now());
    plan.trace_parent = trace.as_ref().map(AttemptTrace::trace_parent);
    let launched = guarded(launch(deps, claimed, slot, &mut plan, signal.clone())).await?;
    if let (true, Err(_)) = (lease::is_lost(&*deps.store, claimed.token), &launched) {
        return Err(WorkerError::LeaseLost);
    }
    let (how, tells) = (plan.describe(), plan.tells.clone());
    // Before the task's time begins to run.
    let is_looked_at = launched.is_ok() && deps.settings.looks_at_workspaces;
    let survey = if is_looked_at { survey(deps, claimed, signal.clone()).await } else { None };
    let mut drive = Drive::new(Arc::clone(deps), claimed, plan, signal);
    drive.survey = survey;
    drive.trace = trace;
    if claimed.task.attempt > 1 {
        drive.log.gather(&wire::attempt_begins(claimed.task.attempt, how));
        if let Some(answered) = tells {
            drive.log.gather(&wire::answer(&answered));
        }
    }
    match launched {
        Ok(at_work) => {
            drive.log.set_conversation(at_work.conversation);
            let at_work = after.agent.insert(at_work);
            let driven = tokio::select! {
                biased;
                () = lease::lost(&*deps.store, claimed.token) => return Err(WorkerError::LeaseLost),
                driven = guarded(drive.run(at_work)) => driven,
            };
            // A transcript that got lost is for the next task to report, not a reason to begin anew.
            if drive.machine.has_answered() || at_work.agent.has_conversation().await {
                after.conversation = Some(at_work.conversation);
            }
            after.receipt = driven??;
            after.farewell = drive.machine.farewell().unwrap_or(after.farewell);
        }
        Err(Unobtained::Launch(error)) => {
            drive.settle_without_agent([Input::LaunchFailed(error)]).await?;
        }
        Err(Unobtained::CutOff(cause)) => {
            // There is no agent whose end could be waited for.
            let inputs = [cause, Input::Stopped, Input::Elapsed(Timer::LastWords)];
            drive.settle_without_agent(inputs).await?;
        }
    }
    Ok(())
}

/// Ends a task whose worker failed, so that nobody waits for it for ever.
async fn abandon(deps: &Deps, claimed: &Claimed, error: &WorkerError) -> Result<(), CommitError> {
    let Some(task) = deps.store.task(&claimed.task.spec.task_id).await? else { return Ok(()) };
    if task.status.is_terminal() || task.waiting.is_some() {
        return Ok(());
    }
    let mut log = EventLog::new(deps, &task, Some(claimed.token));
    let (code, reason) = match error {
        WorkerError::Commit(error @ CommitError::LogFull { .. }) => ("log_full", error.to_string()),
        _ => ("server_failed", "the server failed to run the task; its log says why".to_owned()),
    };
    log.gather(&EventBody::Error(ErrorData { error: reason.clone(), code, retryable: false }));
    let outcome = Outcome {
        ending: Ending::Failed,
        summary: String::new(),
        errors: vec![reason],
        total_cost_usd: task.cost_usd,
    };
    log.finish(outcome, task.progress).await
}

/// What has to be written down before a worker may leave.
enum End<'a> {
    Task(&'a WorkerError),
    Session(Release),
}

/// Repeats what has to be written down until it is, or the server stops: then the next start takes it over.
async fn persist(deps: &Deps, claimed: &Claimed, end: End<'_>) {
    let write = async {
        loop {
            let written = match &end {
                End::Task(error) => abandon(deps, claimed, error).await,
                End::Session(release) => deps.store.release(release.clone()).await.map_err(Into::into),
            };
            let Err(error) = written else { return };
            match error {
                CommitError::Store(error) => tracing::error!(%error, "an end is written again"),
                // Somebody else holds it by now, or it is gone.
                error => return tracing::warn!(%error, "an end was not written"),
            }
            sleep(END_AGAIN_AFTER).await;
        }
    };
    let give_up = async {
        tokio::select! {
            // Another server has it, or will.
            () = lease::lost(&*deps.store, claimed.token) => {}
            () = deps.stop_tasks.cancelled() => sleep(END_WITHIN).await,
        }
    };
    tokio::select! {
        biased;
        () = write => {}
        () = give_up => tracing::error!("an end could not be written before the server stops or loses its lease"),
    }
}

fn report(deps: &Deps, claimed: &Claimed, receipt: &StopReceipt) {
    let StopReceipt { took, processes_killed, processes_left, .. } = receipt;
    let (task_id, duration_ms) = (&claimed.task.spec.task_id, took.as_millis());
    if *processes_left > 0 {
        deps.metrics.left_behind(*processes_left as u64);
        tracing::error!(%task_id, duration_ms, processes_left, "processes of the agent could not be ended");
    } else {
        tracing::debug!(%task_id, duration_ms, processes_killed, "agent ended");
    }
}

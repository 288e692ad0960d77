//! What endpoints tell of tasks and sessions.

use api::{QuestionBody, ResultBody, SessionInfo, TaskStatusResponse, WaitingBody, WaitingReason};
use domain::{Ending, Timestamp};
use engine::{Queued, TaskView};
use serde_json::value::RawValue;
use store::{SessionRecord, TaskRecord, WaitReason, Waiting};

/// Where a task is.
pub(crate) fn status(view: TaskView) -> TaskStatusResponse {
    let TaskView { record: task, queued } = view;
    let (queue_position, estimated_start_at) = place(queued);
    let result = result(&task);
    TaskStatusResponse {
        task_id: task.spec.task_id.clone(),
        session_id: task.session_id,
        status: task.status,
        progress: task.progress.into(),
        result,
        created_at: task.created_at,
        updated_at: task.updated_at,
        attempt: task.attempt,
        priority: task.spec.schedule.priority,
        queue_position,
        estimated_start_at,
        waiting: task.waiting.map(waiting),
        question: task.waiting.and_then(|waiting| {
            let question = task.questions.open.as_deref()?;
            Some(QuestionBody::new(question, waiting.until))
        }),
        depends_on: task.spec.schedule.depends_on.clone(),
        principal: task.spec.principal.clone(),
        workspace: task.spec.workspace.display().to_string(),
        started_at: task.started_at,
        labels: task.spec.labels.clone(),
        metadata: task.spec.metadata.clone().and_then(|metadata| RawValue::from_string(metadata).ok()),
    }
}

fn result(task: &TaskRecord) -> Option<ResultBody> {
    let outcome = task.outcome.as_ref()?;
    let has_schema = task.spec.options.agent.output_schema.is_some() && outcome.ending == Ending::Completed;
    // The CLI gives an answer that follows a schema as its text, too (protocol section 7.5).
    let output = has_schema.then(|| RawValue::from_string(outcome.summary.clone()).ok()).flatten();
    Some(ResultBody { structured_output: output, ..outcome.into() })
}

/// A place in the queue, from 1, and when its turn may come.
pub(crate) fn place(queued: Option<Queued>) -> (Option<u64>, Option<Timestamp>) {
    (queued.map(|queued| queued.ahead as u64 + 1), queued.and_then(|queued| queued.starts_at))
}

fn waiting(waiting: Waiting) -> WaitingBody {
    let reason = match waiting.reason {
        WaitReason::RateLimit => WaitingReason::RateLimit,
        WaitReason::Retry => WaitingReason::Retry,
        WaitReason::CutOff => WaitingReason::CutOff,
        WaitReason::Answer => WaitingReason::Answer,
    };
    WaitingBody { reason, until: waiting.until }
}

/// A session, without what the CLI calls its conversation.
pub(crate) fn session(session: SessionRecord) -> SessionInfo {
    SessionInfo {
        session_id: session.id,
        tasks: session.tasks,
        status: session.status,
        created_at: session.created_at,
        last_activity: session.last_activity,
        principal: session.principal,
        workspace: session.workspace.display().to_string(),
    }
}

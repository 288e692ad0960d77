//! What of a task shows in its trace. Never what it says: no prompt, input or output.

use std::time::{Duration, SystemTime};

use agent::{AgentEvent, Said, Statement};
use domain::Timestamp;
use store::{TaskRecord, WaitReason};
use telemetry::{AttemptTrace, TaskOfTrace, TaskTrace, Traces};

use super::machine::Input;

/// A task's place in its trace, if it has one.
pub(super) fn task_trace(traces: &Traces, task: &TaskRecord) -> Option<TaskTrace> {
    traces.task(&TaskOfTrace {
        trace_parent: task.spec.trace_parent.as_deref(),
        task_id: task.spec.task_id.as_str(),
        session_id: task.session_id.as_str(),
        principal: task.spec.principal.as_str(),
        admitted: moment(task.created_at),
    })
}

/// The trace of a task's attempt that begins now.
pub(super) fn attempt_trace(traces: &Traces, task: &TaskRecord, now: Timestamp) -> Option<AttemptTrace> {
    let trace = task_trace(traces, task)?;
    if task.attempt == 1 {
        trace.claimed(moment(now));
    }
    Some(trace.attempt(task.attempt))
}

/// Shows calls of tools.
pub(super) fn see(trace: &mut AttemptTrace, input: &Input) {
    let Input::Agent(AgentEvent::Said(Said { statement, parent_tool_use_id })) = input else { return };
    match statement {
        Statement::ToolUse { id, name, .. } => trace.tool_called(id, name, parent_tool_use_id.as_deref()),
        Statement::ToolResult { id, is_error, .. } => trace.tool_answered(id, *is_error),
        _ => {}
    }
}

/// Why an attempt was not the last, in a word.
pub(super) fn why(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::RateLimit => "rate_limit",
        WaitReason::Retry => "retry",
        WaitReason::CutOff => "cut_off",
        WaitReason::Answer => "answer",
    }
}

pub(super) fn moment(timestamp: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(timestamp.millis()).unwrap_or(0))
}

//! What the feed of all tasks says of tasks that have not ended.

use api::StatusData;
use bytes::Bytes;
use domain::Timestamp;
use store::{TaskRecord, WaitReason};

/// The notice that a task has come to where its record says. A store is opened with it.
pub fn status_notice(task: &TaskRecord, now: Timestamp) -> Bytes {
    let waits_for = task.waiting.map(|waiting| match waiting.reason {
        WaitReason::RateLimit => "rate_limit",
        WaitReason::Retry => "retry",
        WaitReason::CutOff => "cut_off",
        WaitReason::Answer => "answer",
    });
    let data = StatusData {
        status: task.status,
        attempt: task.attempt,
        waits_for,
        resumes_at: task.waiting.map(|waiting| waiting.until),
    };
    api::status_notice(now, &task.spec.task_id, &task.session_id, &data)
}

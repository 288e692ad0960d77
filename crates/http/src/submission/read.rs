//! Reads the body of a submission and finds all its faults at once.

mod json;
mod more;
mod options;
mod schedule;
#[cfg(test)]
mod tests;

use api::{Fault, RetryRequest, SessionRequest, TaskRequest};
use domain::{TaskId, WhenBusy};
use serde_json::{Map, Value};

pub(super) use self::json::value;
use self::options::options;
pub use self::options::{are_tool_rules, is_model_name};
use self::schedule::schedule;
use super::fields::Fields;
use super::labels::{labels, metadata};
use super::{invalid, invalid_all};
use crate::refusal::Refusal;

const MAX_ATTEMPTS: i64 = 10;
/// The path on which several tasks are submitted.
const RESERVED: &str = "batch";
/// Longest times, in seconds: 30 days.
const MAX_SECONDS: i64 = 30 * 24 * 3600;

/// The request, or every fault that it has.
pub(crate) fn task_request(body: &[u8]) -> Result<TaskRequest, Refusal> {
    task_of(&object(body)?)
}

/// A body that is a JSON object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match value(body)? {
        Value::Object(body) => Ok(body),
        _ => Err(invalid("", "the body is not a JSON object")),
    }
}

/// The request in a JSON object, or every fault that it has.
pub(crate) fn task_of(body: &Map<String, Value>) -> Result<TaskRequest, Refusal> {
    let mut faults = Vec::new();
    let mut fields = Fields::new("", body, &mut faults);
    let task_id = fields.text("task_id");
    if let Some(Err(error)) = task_id.as_deref().map(TaskId::parse) {
        fields.fault("task_id", error.to_string());
    } else if task_id.as_deref() == Some(RESERVED) {
        fields.fault(
            "task_id",
            format!("must not be {RESERVED}, which is a path of the API: choose another one"),
        );
    }
    let prompt = fields.required_text("prompt");
    let workspace = fields.required_text("workspace");
    let schedule = schedule(&mut fields, task_id.as_deref());
    let (labels, metadata) = (labels(&mut fields), metadata(&mut fields));
    let [options_object, session_object, retry_object] =
        ["options", "session", "retry"].map(|name| fields.object(name));
    let options = options_object.map(|object| options(object, &mut faults));
    let session = session_object.map(|object| session(object, &mut faults));
    let retry = retry_object.map(|object| retry(object, &mut faults));
    match (prompt, workspace) {
        (Some(prompt), Some(workspace)) if faults.is_empty() => Ok(TaskRequest {
            task_id,
            prompt,
            workspace,
            options: options.unwrap_or_default(),
            session: session.unwrap_or_default(),
            priority: schedule.priority,
            start_at: schedule.start_at,
            delay_seconds: schedule.delay_seconds,
            depends_on: schedule.depends_on,
            runs_on: schedule.runs_on,
            retry: retry.unwrap_or_default(),
            labels,
            metadata,
        }),
        _ => Err(invalid_all(faults)),
    }
}

fn session(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> SessionRequest {
    let mut fields = Fields::new("/session", object, faults);
    let reuse = fields.flag("reuse_existing");
    let session_id = fields.text("session_id");
    let when_busy = fields.word(
        "when_busy",
        &[
            ("enqueue", WhenBusy::Enqueue),
            ("reject", WhenBusy::Reject),
            ("interrupt", WhenBusy::Interrupt),
            ("fork", WhenBusy::Fork),
        ],
    );
    let fork = fields.flag("fork").unwrap_or(false);
    let reuse_existing = reuse.unwrap_or(false);
    let names_none = !fields.has("session_id");
    if fork && names_none {
        fields.fault("session_id", "is needed with fork: name the session to copy");
    }
    if reuse_existing && fork {
        fields.fault(
            "fork",
            "cannot be given together with reuse_existing: to copy a session only while it is busy, set when_busy \
             to fork",
        );
    }
    // What reuse_existing is to be is not known when it is something else than true or false.
    let is_new = reuse == Some(false) || !fields.has("reuse_existing");
    if is_new && fields.has("when_busy") {
        fields.fault("when_busy", "is of use only with reuse_existing: set that to true, or leave this out");
    }
    SessionRequest { reuse_existing, session_id, when_busy, fork }
}

fn retry(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> RetryRequest {
    let mut fields = Fields::new("/retry", object, faults);
    RetryRequest {
        max_attempts: fields.whole("max_attempts", 1..=MAX_ATTEMPTS),
        after_side_effects: fields.flag("after_side_effects"),
    }
}

//! Tasks and sessions as they are kept: the fields of a hash.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use domain::{
    Answered, ConversationId, IdError, Labels, Principal, Priority, Progress, Questions, SessionId,
    SessionStatus, TaskId, TaskStatus, Timestamp,
};
use serde_json::from_slice;
use store::{SessionRecord, StoreError, TaskRecord, WaitReason, Waiting};
use uuid::Uuid;

use crate::reply::Fields;

const STATUSES: [TaskStatus; 5] = [
    TaskStatus::Pending,
    TaskStatus::Running,
    TaskStatus::Completed,
    TaskStatus::Failed,
    TaskStatus::Interrupted,
];
const REASONS: [WaitReason; 4] =
    [WaitReason::RateLimit, WaitReason::Retry, WaitReason::CutOff, WaitReason::Answer];

fn odd(field: &str, text: &str) -> StoreError {
    StoreError(format!("redis holds {text:?} as {field}: its keys were changed by another program"))
}

/// The word for a reason to wait.
pub(crate) fn reason_text(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::RateLimit => "rate_limit",
        WaitReason::Retry => "retry",
        WaitReason::CutOff => "cut_off",
        WaitReason::Answer => "answer",
    }
}

pub(crate) fn status(text: &str) -> Result<TaskStatus, StoreError> {
    STATUSES.into_iter().find(|status| status.as_str() == text).ok_or_else(|| odd("a status", text))
}

pub(crate) fn id<T>(text: &str, parse: impl Fn(&str) -> Result<T, IdError>) -> Result<T, StoreError> {
    parse(text).map_err(|error| odd(&format!("an id ({error})"), text))
}

/// A path as text.
pub(crate) fn path_text(path: &Path) -> Result<&str, StoreError> {
    let text = path.to_str();
    text.ok_or_else(|| {
        StoreError(format!(
            "the path {} cannot be stored, because it is not UTF-8: rename it",
            path.display()
        ))
    })
}

/// As JSON.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError(format!("a value cannot be stored: {error}")))
}

/// The text of what may be missing.
pub(crate) fn text_of<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, StoreError> {
    let bytes = fields.get(name).ok_or_else(|| odd(name, ""))?;
    std::str::from_utf8(bytes).map_err(|_| odd(name, "bytes"))
}

fn number<T: std::str::FromStr>(fields: &Fields, name: &str) -> Result<T, StoreError> {
    let text = text(fields, name)?;
    text.parse().map_err(|_| odd(name, text))
}

/// What is empty when it is missing.
fn optional<T>(
    fields: &Fields,
    name: &str,
    read: impl FnOnce(&str) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let text = text(fields, name)?;
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

pub(crate) fn time(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map(Timestamp::from_millis).map_err(|_| odd("a time", text))
}

pub(crate) fn conversation(text: &str) -> Result<Option<ConversationId>, StoreError> {
    if text.is_empty() {
        return Ok(None);
    }
    Uuid::parse_str(text).map(|id| Some(ConversationId(id))).map_err(|_| odd("a conversation", text))
}

fn parsed<T: serde::de::DeserializeOwned>(name: &str, json: &[u8]) -> Result<T, StoreError> {
    from_slice(json).map_err(|error| odd(name, &error.to_string()))
}

pub(crate) fn reason(text: &str) -> Result<Option<WaitReason>, StoreError> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = REASONS.into_iter().find(|known| reason_text(*known) == text);
    found.map(Some).ok_or_else(|| odd("a reason to wait", text))
}

pub(crate) fn waiting(why: &str, until: &str) -> Result<Option<Waiting>, StoreError> {
    let Some(reason) = reason(why)? else { return Ok(None) };
    Ok(Some(Waiting { reason, until: time(until)? }))
}

/// Scripts append answers as they come; nobody needs the input of an earlier permission.
fn questions(fields: &Fields) -> Result<Questions, StoreError> {
    let open = optional(fields, "qo", |text| parsed("a question", text.as_bytes()))?;
    let list = format!("[{}]", text(fields, "qa")?);
    let mut answered: Vec<Answered> = parsed("answers", list.as_bytes())?;
    if let Some((_, earlier)) = answered.split_last_mut() {
        let permissions = earlier.iter_mut().filter(|earlier| !earlier.question.is_choice());
        permissions.for_each(|earlier| earlier.question.input = None);
    }
    Ok(Questions { open: open.map(Box::new), answered })
}

/// A task.
pub(crate) fn task(fields: &Fields) -> Result<TaskRecord, StoreError> {
    let mut spec: domain::TaskSpec = parsed("a task", fields.get("spec").map_or(&[][..], Bytes::as_ref))?;
    let priority = number(fields, "prio")?;
    spec.schedule.priority = Priority::new(priority).ok_or_else(|| odd("a priority", ""))?;
    Ok(TaskRecord {
        spec: Arc::new(spec),
        session_id: id(text(fields, "sid")?, SessionId::parse)?,
        status: status(text(fields, "st")?)?,
        attempt: number(fields, "at")?,
        failures: number(fields, "fa")?,
        waiting: waiting(text(fields, "wr")?, text(fields, "wu")?)?,
        questions: questions(fields)?,
        conversation: conversation(text(fields, "cv")?)?,
        progress: optional(fields, "pg", |text| parsed::<Progress>("progress", text.as_bytes()))?
            .unwrap_or_default(),
        cost_usd: number(fields, "co")?,
        outcome: optional(fields, "out", |text| parsed("an outcome", text.as_bytes()))?,
        created_at: time(text(fields, "ca")?)?,
        started_at: optional(fields, "sa", time)?,
        updated_at: time(text(fields, "ua")?)?,
        tail: number(fields, "tail")?,
        interrupt_requested_at: optional(fields, "ia", time)?,
    })
}

/// What a waiting task is doomed by.
pub(crate) fn doom(fields: &Fields) -> Result<Option<store::Doom>, StoreError> {
    optional(fields, "doom", |text| match text.split_once(' ') {
        Some((ended, task)) => Ok(store::Doom::DependencyEnded(id(task, TaskId::parse)?, status(ended)?)),
        None => Ok(store::Doom::InterruptRequested),
    })
}

/// A session, of the tasks that are named.
pub(crate) fn session(fields: &Fields, tasks: Vec<TaskId>) -> Result<SessionRecord, StoreError> {
    let is_held = !text(fields, "tok")?.is_empty();
    Ok(SessionRecord {
        id: id(text(fields, "id")?, SessionId::parse)?,
        principal: id(text(fields, "pr")?, Principal::parse)?,
        workspace: PathBuf::from(text(fields, "ws")?),
        tasks,
        status: if is_held { SessionStatus::Active } else { SessionStatus::Idle },
        conversation: conversation(text(fields, "cv")?)?,
        created_at: time(text(fields, "ca")?)?,
        last_activity: time(text(fields, "la")?)?,
    })
}

/// The number of a session.
pub(crate) fn session_number(fields: &Fields) -> Result<u64, StoreError> {
    number(fields, "n")
}

/// Labels, as the arguments of a script.
pub(crate) fn label_arguments(labels: &Labels) -> Vec<&str> {
    labels.iter().flat_map(|(key, value)| [key, value]).collect()
}

//! Bodies of the smaller requests: batches, changes, sessions.

use domain::{Priority, SessionId, TaskId};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::fields::Fields;
use super::read::object;
use super::{invalid, invalid_all};
use crate::refusal::Refusal;

/// Most submissions of a batch.
pub(crate) const MAX_BATCH: usize = 100;

/// The submissions of a batch. Each is looked at by itself.
pub(crate) fn batch(body: &[u8]) -> Result<Vec<Map<String, Value>>, Refusal> {
    let mut body = object(body)?;
    let Some(Value::Array(items)) = body.remove("tasks") else {
        return Err(invalid("/tasks", "is required: a list of submissions"));
    };
    if items.is_empty() || items.len() > MAX_BATCH {
        let detail = format!("must have 1 to {MAX_BATCH} submissions, this one has {}", items.len());
        return Err(invalid("/tasks", detail));
    }
    let objects = items.into_iter().enumerate().map(|(place, item)| match item {
        Value::Object(item) => Ok(item),
        _ => Err(invalid(&format!("/tasks/{place}"), "must be an object")),
    });
    objects.collect()
}

/// What a task is to be changed to.
pub(crate) fn task_change(body: &[u8]) -> Result<Priority, Refusal> {
    let (body, mut faults) = (object(body)?, Vec::new());
    let mut fields = Fields::new("", &body, &mut faults);
    if !fields.has("priority") {
        fields.fault("priority", "is required: it is all that can be changed");
    }
    for name in body.keys().filter(|name| *name != "priority") {
        let name: String = name.chars().take(64).collect();
        fields.fault(&name, "cannot be changed: only priority can");
    }
    let priorities = i64::from(Priority::LOWEST)..=i64::from(Priority::HIGHEST);
    let priority = fields.whole("priority", priorities).and_then(Priority::new);
    match priority {
        Some(priority) if faults.is_empty() => Ok(priority),
        _ => Err(invalid_all(faults)),
    }
}

/// What an agent is to be told, and the message's id if the caller has chosen one.
pub(crate) fn message_request(body: &[u8]) -> Result<(String, Option<Uuid>), Refusal> {
    let (body, mut faults) = (object(body)?, Vec::new());
    let mut fields = Fields::new("", &body, &mut faults);
    let (text, id) = (fields.required_text("text"), fields.text("message_id"));
    let parsed = id.as_deref().map(Uuid::parse_str).transpose();
    if parsed.is_err() {
        fields.fault("message_id", "must be a UUID");
    }
    match (text, parsed) {
        (Some(text), Ok(id)) if faults.is_empty() => Ok((text, id)),
        _ => Err(invalid_all(faults)),
    }
}

/// The id and the workspace of a session that is to be made.
pub(crate) fn session_creation(body: &[u8]) -> Result<(SessionId, String), Refusal> {
    let (body, mut faults) = (object(body)?, Vec::new());
    let mut fields = Fields::new("", &body, &mut faults);
    let (id, workspace) = (session_id(&mut fields), fields.required_text("workspace"));
    match (id, workspace) {
        (Some(id), Some(workspace)) if faults.is_empty() => Ok((id, workspace)),
        _ => Err(invalid_all(faults)),
    }
}

/// The id of a copy of a session; an empty body counts as `{}`.
pub(crate) fn fork_request(body: &[u8]) -> Result<SessionId, Refusal> {
    let body = if body.is_empty() || body == b"null" { Map::new() } else { object(body)? };
    let mut faults = Vec::new();
    let id = session_id(&mut Fields::new("", &body, &mut faults));
    match id {
        Some(id) if faults.is_empty() => Ok(id),
        _ => Err(invalid_all(faults)),
    }
}

/// The caller's id for a session, or a new one. It may be no longer than a task's.
fn session_id(fields: &mut Fields<'_, '_>) -> Option<SessionId> {
    let made = || SessionId::for_task(&TaskId::generate());
    if !fields.has("session_id") {
        return Some(made());
    }
    let text = fields.text("session_id")?;
    if text.starts_with("session-") {
        fields.fault("session_id", "must not begin with session-: sessions that are named after tasks do");
        return None;
    }
    let id = TaskId::parse(&text).and_then(|_| SessionId::parse(&text));
    id.map_err(|error| fields.fault("session_id", error.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults<T>(read: Result<T, Refusal>) -> Option<Vec<String>> {
        let faults = read.err()?.faults;
        Some(faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect())
    }

    #[test]
    fn only_the_priority_can_be_changed() {
        assert_eq!(task_change(br#"{"priority":7}"#).ok(), Priority::new(7));
        let none = faults(task_change(b"{}"));
        assert_eq!(none, Some(vec!["/priority is required: it is all that can be changed".to_owned()]));
        let wrong = faults(task_change(br#"{"priority":101,"status":"completed"}"#));
        let expected = [
            "/status cannot be changed: only priority can",
            "/priority must be a whole number from -100 to 100",
        ];
        assert_eq!(wrong, Some(expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_batch_is_a_list_of_objects() {
        assert_eq!(batch(br#"{"tasks":[{},{"prompt":"p"}]}"#).map(|tasks| tasks.len()).ok(), Some(2));
        for (body, fault) in [
            ("{}", "/tasks is required: a list of submissions"),
            (r#"{"tasks":[]}"#, "/tasks must have 1 to 100 submissions, this one has 0"),
            (r#"{"tasks":[{},7]}"#, "/tasks/1 must be an object"),
        ] {
            assert_eq!(faults(batch(body.as_bytes())), Some(vec![fault.to_owned()]));
        }
    }

    #[test]
    fn a_session_gets_a_name() {
        let named = session_creation(br#"{"session_id":"s","workspace":"/w"}"#).ok();
        assert_eq!(named, SessionId::parse("s").ok().map(|id| (id, "/w".to_owned())));
        assert!(fork_request(b"").is_ok() && fork_request(b"null").is_ok());
        assert_eq!(faults(session_creation(br#"{"session_id":"a b"}"#)).map(|faults| faults.len()), Some(2));
        let long = format!(r#"{{"session_id":"{}"}}"#, "x".repeat(129));
        assert_eq!(faults(fork_request(long.as_bytes())).map(|faults| faults.len()), Some(1));
    }
}

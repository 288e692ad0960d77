//! Ids in paths: what is no id names nothing, so it is "not found".

use domain::{SessionId, TaskId};

use crate::refusal::Refusal;

pub(crate) fn task(id: &str) -> Result<TaskId, Refusal> {
    TaskId::parse(id).map_err(|_| Refusal::task_not_found(id))
}

pub(crate) fn session(id: &str) -> Result<SessionId, Refusal> {
    SessionId::parse(id).map_err(|_| Refusal::session_not_found(id))
}

//! Lists of tasks: which ones, in which order, a page at a time.

use std::path::PathBuf;

use domain::{LabelFilter, Principal, SessionId, TaskStatus, Timestamp};

use crate::TaskRecord;

/// Most tasks that one page looks at: a filter that admits few must not hold up everybody else.
pub const LOOKED_AT: usize = 10_000;

/// Which tasks are wanted. What is left out restricts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    /// Of this owner.
    pub principal: Option<Principal>,
    /// In one of these statuses; empty for all.
    pub statuses: Vec<TaskStatus>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// In this workspace.
    pub workspace: Option<PathBuf>,
    /// With all of these labels.
    pub labels: Vec<LabelFilter>,
    /// Admitted then or later.
    pub created_from: Option<Timestamp>,
    /// Admitted before.
    pub created_before: Option<Timestamp>,
}

impl TaskFilter {
    /// Whether a task is wanted.
    pub fn admits(&self, task: &TaskRecord) -> bool {
        let spec = &task.spec;
        self.principal.as_ref().is_none_or(|principal| *principal == spec.principal)
            && (self.statuses.is_empty() || self.statuses.contains(&task.status))
            && self.session.as_ref().is_none_or(|session| *session == task.session_id)
            && self.workspace.as_ref().is_none_or(|workspace| *workspace == spec.workspace)
            && self.labels.iter().all(|label| label.admits(&spec.labels))
            && self.created_from.is_none_or(|from| task.created_at >= from)
            && self.created_before.is_none_or(|before| task.created_at < before)
    }
}

/// In which order tasks are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskOrder {
    /// The last admitted one first.
    #[default]
    NewestFirst,
    /// In the order of their admission.
    OldestFirst,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskQuery {
    /// Which tasks.
    pub filter: TaskFilter,
    /// In which order.
    pub order: TaskOrder,
    /// After the task with that number: where the page before has ended.
    pub after: Option<u64>,
    /// Most tasks of the page.
    pub most: usize,
}

/// Some tasks, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPage {
    /// The tasks. There may be fewer than asked for, or none, although more follow.
    pub tasks: Vec<TaskRecord>,
    /// Where to read on; `None` at the end.
    pub next: Option<u64>,
}

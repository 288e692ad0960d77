//! When a submission wants to be worked on.

use std::collections::BTreeSet;

use domain::{InstanceLabel, InstanceLabelError, MAX_INSTANCE_LABELS, Priority, TaskId, Timestamp};
use serde_json::Value;

use super::MAX_SECONDS;
use crate::submission::fields::Fields;

/// Most tasks that one may wait for.
const MAX_DEPENDENCIES: usize = 100;

pub(super) struct ScheduleRequest {
    pub(super) priority: Option<i8>,
    pub(super) start_at: Option<Timestamp>,
    pub(super) delay_seconds: Option<u64>,
    pub(super) depends_on: Vec<TaskId>,
    pub(super) runs_on: BTreeSet<InstanceLabel>,
}

pub(super) fn schedule(fields: &mut Fields<'_, '_>, task_id: Option<&str>) -> ScheduleRequest {
    let priorities = i64::from(Priority::LOWEST)..=i64::from(Priority::HIGHEST);
    let priority = fields.whole("priority", priorities);
    let start_at = start_at(fields);
    let delay_seconds = fields.whole("delay_seconds", 0..=MAX_SECONDS);
    if fields.has("start_at") && fields.has("delay_seconds") {
        fields.fault("delay_seconds", "cannot be given together with start_at: leave one of them out");
    }
    ScheduleRequest {
        priority,
        start_at,
        delay_seconds,
        depends_on: depends_on(fields, task_id),
        runs_on: runs_on(fields),
    }
}

fn runs_on(fields: &mut Fields<'_, '_>) -> BTreeSet<InstanceLabel> {
    let name = "runs_on";
    let Some(items) = fields.list(name, "labels") else { return BTreeSet::new() };
    if items.len() > MAX_INSTANCE_LABELS {
        let detail = format!("must have at most {MAX_INSTANCE_LABELS} labels, this one has {}", items.len());
        fields.fault(name, detail);
        return BTreeSet::new();
    }
    let mut labels = BTreeSet::new();
    for (place, item) in items.iter().enumerate() {
        match item.as_str().ok_or(InstanceLabelError).and_then(InstanceLabel::parse) {
            Ok(label) => drop(labels.insert(label)),
            Err(error) => fields.fault(&format!("{name}/{place}"), error.to_string()),
        }
    }
    labels
}

fn start_at(fields: &mut Fields<'_, '_>) -> Option<Timestamp> {
    let text = fields.text("start_at")?;
    let moment = Timestamp::parse(&text);
    if moment.is_none() {
        fields.fault(
            "start_at",
            "must be a time with its zone as RFC 3339 has it, such as 2026-01-19T10:00:00Z",
        );
    }
    moment
}

fn depends_on(fields: &mut Fields<'_, '_>, task_id: Option<&str>) -> Vec<TaskId> {
    let name = "depends_on";
    let Some(items) = fields.list(name, "task ids") else { return Vec::new() };
    if items.len() > MAX_DEPENDENCIES {
        fields.fault(
            name,
            format!("must have at most {MAX_DEPENDENCIES} task ids, this one has {}", items.len()),
        );
        return Vec::new();
    }
    let mut tasks: Vec<TaskId> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match dependency(item, &tasks, task_id) {
            Ok(task) => tasks.push(task),
            Err(detail) => fields.fault(&format!("{name}/{place}"), detail),
        }
    }
    tasks
}

fn dependency(item: &Value, others: &[TaskId], task_id: Option<&str>) -> Result<TaskId, String> {
    let Value::String(text) = item else { return Err("must be a task id".to_owned()) };
    let task = TaskId::parse(text).map_err(|error| error.to_string())?;
    if others.contains(&task) {
        return Err(format!("names {task} a second time: name each task once"));
    }
    if task_id == Some(task.as_str()) {
        return Err("names the task itself, which would wait forever".to_owned());
    }
    Ok(task)
}

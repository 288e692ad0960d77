//! What the server counts and measures, under the names that dashboards know. Labels have few values: routes, statuses and
//! kinds, never ids. And traces, where ids are; texts of tasks are in neither.

mod descendants;
mod itself;
mod known;
mod labels;
mod measures;
mod traces;

pub use labels::{Direction, Ended, ModelAnswer, Refused, Request, State};
pub use measures::{Disk, Levels, Metrics, Open};
pub use traces::{AttemptTrace, Exporting, RequestTrace, TaskEnd, TaskOfTrace, TaskTrace, Traces, trace_id};

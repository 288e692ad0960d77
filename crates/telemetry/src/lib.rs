//! What the server counts and measures, under the names that dashboards know. Labels have few values: routes, statuses and
//! kinds, never ids. And traces, where ids are; texts of tasks are in neither.

mod descendants;
mod itself;
mod labels;
mod measures;
mod traces;

pub use labels::{Direction, Ended, ModelAnswer, Request, State};
pub use measures::{Disk, Levels, Metrics};
pub use traces::{AttemptTrace, Exporting, RequestTrace, TaskEnd, TaskOfTrace, TaskTrace, Traces, trace_id};

//! What the server counts and measures, under the names that dashboards know. Labels have few values: routes, statuses and
//! kinds, never ids.

mod descendants;
mod itself;
mod labels;
mod measures;

pub use labels::{Direction, Ended, Request, State};
pub use measures::{Levels, Metrics};

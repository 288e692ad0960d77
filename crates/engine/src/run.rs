//! One attempt at a task: a pure machine that decides, and an actor that does what it decides.

mod actor;
mod bookkeeping;
mod drive;
mod log;
mod machine;
pub(crate) mod messages;
mod plan;
mod survey;
mod traced;
mod wire;

pub(crate) use actor::{Deps, run};
pub(crate) use drive::{questions_of, wait_until};
pub(crate) use log::EventLog;

//! One task at work: a pure machine that decides, and an actor that does what it decides.

mod actor;
mod bookkeeping;
mod log;
mod machine;
mod wire;

pub(crate) use actor::{Deps, run};
pub(crate) use log::EventLog;

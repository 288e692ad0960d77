#![doc = include_str!("../README.md")]

mod answer;
mod bounded;
mod directive;
mod faults;
mod plain_language;
mod reply;
mod request;
mod scenario;
mod script;
mod server;
mod side_request;
mod usage;

pub use scenario::{Scenario, ScenarioError};
pub use server::{Options, RecordedRequest, ScriptedModel, StartError};

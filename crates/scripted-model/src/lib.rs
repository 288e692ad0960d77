//! A Messages API that answers by script: the offline demo, and what tests put behind the real CLI.

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

//! The real server binary with the real CLI behind the scripted model.

#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod admission;
mod agent_failures;
mod api_docs;
mod backups;
mod browsers;
mod chaos;
mod command;
mod configuration;
mod contract;
mod conversation;
mod crashes;
mod doctor;
mod guard;
mod health;
mod hostile;
mod instances;
mod keys;
mod leaving;
mod limits;
mod local;
mod many_sessions;
mod messages;
mod metrics;
mod one_task;
mod place;
mod questions;
mod refusals;
mod remote_commands;
mod run_command;
mod running;
mod scheduling;
mod schema;
mod sdk_options;
mod session_life;
mod sessions_api;
mod shutdown;
mod silent_server;
mod start;
mod stub;
mod subscribers;
mod terminal;
mod tls;
mod traces;
mod transport;
mod watchdog;
mod wire;

use serde_json::{Value, json};
use testing::{Server, ServerBuilder};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_claude-code-server");

async fn demo() -> Server {
    ServerBuilder::demo(BINARY).start().await
}

/// A server whose agents end with their tasks.
async fn without_idle_agents() -> Server {
    ServerBuilder::demo(BINARY).variable("SESSION_IDLE_TIMEOUT_SECONDS", "0").start().await
}

/// A submission in a workspace of the task's own.
fn task(server: &Server, id: &str, prompt: &str) -> Value {
    json!({"task_id": id, "prompt": prompt, "workspace": server.workspace(id)})
}

/// A command that runs for ten minutes; the CLI's Bash tool refuses a plain `sleep`.
const LONG_COMMAND: &str = "[[bash python3 -c 'import time; time.sleep(600)']]";

fn is_tool_use(event: &Value) -> bool {
    event["type"] == "tool_use"
}

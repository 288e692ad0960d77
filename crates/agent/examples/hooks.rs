//! A hook that refuses dangerous commands, and one that sees what every tool did.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod support;

use agent::protocol::{CanUseTool, HookCallback, PermissionAnswer, Prompt};
use agent::{Agent, Hook, Host, Urgency};
use serde_json::{Value, json};
use uuid::Uuid;

async fn guard(call: HookCallback) -> Result<Value, String> {
    let input: Value = serde_json::from_str(call.input.get()).map_err(|error| error.to_string())?;
    if input["tool_input"]["command"].as_str().is_some_and(|command| command.contains("rm ")) {
        return Ok(
            json!({"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny",
            "permissionDecisionReason": "nothing is removed here"}}),
        );
    }
    Ok(json!({}))
}

async fn audit(call: HookCallback) -> Result<Value, String> {
    let input: Value = serde_json::from_str(call.input.get()).map_err(|error| error.to_string())?;
    println!("audit: {} {}", input["tool_name"], input["tool_input"]["command"]);
    Ok(json!({}))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host = Host::new(async |_: CanUseTool| PermissionAnswer::allow())
        .hook(Hook::new("PreToolUse", guard).matching("Bash"))
        .hook(Hook::new("PostToolUse", audit));
    let (agent, mut events) = support::launcher()?.start(support::options()?, host).await?;
    let text = "[[bash echo fine]] [[bash rm -r precious]] [[say done]]";
    agent.send(&Prompt::text(Uuid::new_v4(), text))?;
    support::show_turn(&mut events).await?;
    agent.stop(Urgency::Orderly).await;
    Ok(())
}

//! A host that allows some files, changes what is written to others, and refuses the rest.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod support;

use agent::protocol::{CanUseTool, PermissionAnswer, Prompt};
use agent::{Agent, Host, Urgency};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use uuid::Uuid;

async fn decide(ask: CanUseTool) -> PermissionAnswer {
    let Ok(mut input) = serde_json::from_str::<Value>(ask.input.get()) else {
        return PermissionAnswer::deny("unreadable input");
    };
    match input["file_path"].as_str().and_then(|path| path.rsplit('/').next()) {
        Some("open.txt") => PermissionAnswer::allow(),
        Some("edited.txt") => {
            input["content"] = json!("approved text");
            PermissionAnswer::Allow { updated_input: to_raw_value(&input).ok(), updated_permissions: vec![] }
        }
        _ => PermissionAnswer::deny("only open.txt and edited.txt may be written"),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (agent, mut events) = support::launcher()?.start(support::options()?, Host::new(decide)).await?;
    let text = "[[write open.txt a]] [[write edited.txt b]] [[write secret.txt c]] [[say done]]";
    agent.send(&Prompt::text(Uuid::new_v4(), text))?;
    support::show_turn(&mut events).await?;
    println!("edited.txt: {}", std::fs::read_to_string("edited.txt")?);
    agent.stop(Urgency::Orderly).await;
    Ok(())
}
